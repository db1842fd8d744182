import { describe } from 'vitest';
import { abortContract } from './filesystem/aborts.ts';
import { contentContract } from './filesystem/content.ts';
import { refusalContract } from './filesystem/refusals.ts';
import { type UnderTest, waysOf } from './filesystem/under-test.ts';

/**
 * What every filesystem of a guest's disk must do, in each way that it can be filled. Runs as root; mounts in namespaces
 * of their own.
 */
export function filesystemContract(of: UnderTest): void {
  describe.each(waysOf(of.filesystem))(`filesystem ${of.filesystem.name}, filled by %s`, (way) => {
    contentContract(of, way);
    abortContract(of, way);
  });
  describe(`filesystem ${of.filesystem.name}`, () => refusalContract(of));
}
