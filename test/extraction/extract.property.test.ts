import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { extractArtifacts } from '../../extraction/extract.ts';
import { run } from '../../host/run.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import { scratch } from '../support/scratch.ts';
import { handmade } from './guest-disk.ts';

const part = fc.constantFrom('a', 'b', 'c', 'd', '..', '.', '', '\u202e', 'é', '/');
const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const number = fc.oneof(fc.nat(200), fc.nat(200), fc.constantFrom('-1', '01', '1e3', '9'.repeat(17), ''));
const plain = fc.constantFrom('a', 'b', 'c', 'd', 'a/b', 'a/c', 'b/a', 'c/d', 'a/b/c');
const anyName = fc.oneof({ weight: 6, arbitrary: plain }, name);

const line = fc.oneof(
  anyName.map((of) => `D 755 ${of}\n`),
  fc.tuple(number, anyName).map(([size, of]) => `F 644 ${size} ${of}\n`),
  fc
    .tuple(fc.constantFrom('disk', 'swap', 'cdrom'), number, number, number)
    .map(([device, start, count, at]) => `E ${device} ${start} ${count} ${at}\n`),
  fc.tuple(anyName, fc.oneof(name, plain)).map(([of, target]) => `S ${of}\nT ${target}\n`),
  fc.tuple(anyName, anyName).map(([of, target]) => `H ${of}\nT ${target}\n`),
  fc.constantFrom('T a\n', '\n', 'X\n', 'S a\n'),
);

const GOOD = 'D 755 a\nF 644 600 a/b\nE disk 1 1 0\nE swap 9 1 1\nS a/c\nT ../d\nF 755 9 d\nH e\nT d\n';
const mutated = fc
  .array(fc.tuple(fc.nat(GOOD.length), fc.nat(3), fc.uint8Array({ maxLength: 3 })), {
    minLength: 1,
    maxLength: 3,
  })
  .map((edits) =>
    edits.reduce((list, [at, cut, bytes]) => {
      return Buffer.concat([list.subarray(0, at), bytes, list.subarray(at + cut)]);
    }, Buffer.from(GOOD)),
  );

const lists = fc.oneof(
  fc.array(line, { maxLength: 12 }).map((lines) => Buffer.from(lines.join(''))),
  mutated,
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);

describe('extractArtifacts, whatever the list', () => {
  it('writes what it says and inside the folder only, or nothing and says ArtifactsRejected', async () => {
    await using folder = await scratch();
    const seen = { taken: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(lists, async (list) => {
        const given = await handmade(folder.path, list);
        const result = await extractArtifacts(given).catch((error: unknown) => error);
        const inside = await allIn(given.into);
        expect((await readdir(folder.path)).sort()).toEqual(['disk', 'into', 'swap']);
        if (Array.isArray(result)) {
          seen.taken += 1;
          expect(inside).toEqual(result.map(({ path }) => path).sort());
          await expectTrue(given.into, result);
        } else {
          seen.refused += 1;
          expect(result).toBeInstanceOf(SlipwayFailure);
          expect(result).toMatchObject({ type: 'ArtifactsRejected' });
          expect(inside).toEqual([]);
        }
        await rm(given.into, { recursive: true });
      }),
      { numRuns: 500, examples: [[Buffer.from('D 755 a\nS a/c\nT ../\n')]] },
    );
    expect(seen.taken).toBeGreaterThan(20);
    expect(seen.refused).toBeGreaterThan(20);
  });
});

/** Names of all that lies below a folder. Not readdir's own recursion: it goes through a link to `../`. */
async function allIn(folder: string): Promise<string[]> {
  const { stdout } = await run(['find', folder, '-mindepth', '1', '-printf', '%P\\0']);
  return stdout.split('\0').slice(0, -1).sort();
}

/** Sizes, digests and the bound on what is written hold on the host as the result says. */
async function expectTrue(
  into: string,
  artifacts: Awaited<ReturnType<typeof extractArtifacts>>,
): Promise<void> {
  const written = new Map<number, number>();
  for (const { path, kind, size, sha256 } of artifacts) {
    const stat = await lstat(join(into, path));
    expect(stat.isSymbolicLink()).toBe(kind === 'symlink');
    if (kind !== 'file') continue;
    const bytes = await readFile(join(into, path));
    expect([bytes.length, createHash('sha256').update(bytes).digest('hex')]).toEqual([size, sha256]);
    written.set(stat.ino, bytes.length);
  }
  expect([...written.values()].reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(1024 * 1024);
}
