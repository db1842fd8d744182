import { mkdir, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ignoreMissing } from '../host/atomic-file.ts';
import { digestOf } from '../repositories/partial-file.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { RepositoryFolder } from './repository-folder.ts';
import type { Staged } from './staging.ts';
import { contentClash, type Suite } from './suite.ts';

/**
 * Looks whether all that is about to be signed is there: each file that a suite lists lies in the pool with its size, or
 * is staged to go there. What is in the files apt verifies itself.
 * @throws SlipwayFailure InvalidRequest with all files that are missing or of another size
 */
export async function checkPool(
  folder: RepositoryFolder,
  suites: Iterable<Suite>,
  staged: ReadonlySet<string>,
): Promise<void> {
  const sizes = new Map<string, number>();
  for (const { components } of suites) {
    for (const { files } of [...components.values()].flat()) {
      for (const { path, size } of files) if (!staged.has(path)) sizes.set(path, size);
    }
  }
  const items: string[] = [];
  for (const [path, size] of sizes) {
    const found = await stat(join(folder.root, path)).catch(ignoreMissing);
    if (found === undefined) items.push(`${path}: missing`);
    else if (found.size !== size) items.push(`${path}: ${found.size} bytes, not ${size}`);
  }
  if (items.length === 0) return;
  throw new SlipwayFailure('InvalidRequest', `files that ${folder.root} lists are missing or damaged`, {
    items: items.sort(),
    advice:
      'Restore them from a copy of the folder; or delete the damaged ones and publish their builds again, all at once.',
  });
}

/** Puts staged files to their places in the pool; looks at all of them before the first. */
export async function fillPool(folder: RepositoryFolder, staged: Staged): Promise<void> {
  const wanted: [from: string, to: string][] = [];
  const clashes: string[] = [];
  for (const path of staged.builds.keys()) {
    const [from, to] = [join(staged.folder, path), join(folder.root, path)];
    const there = await digestOf(to);
    if (there === undefined) wanted.push([from, to]);
    else if (there !== (await digestOf(from))) clashes.push(path);
  }
  if (clashes.length > 0) throw contentClash(clashes, folder.root);
  for (const [from, to] of wanted) {
    await mkdir(dirname(to), { recursive: true });
    await rename(from, to);
  }
}
