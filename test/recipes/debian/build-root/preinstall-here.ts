import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Progress } from '../../../../host/progress.ts';
import type { PackageInput } from '../../../../recipes/debian/build-root/package-control.ts';
import { preinstall } from '../../../../recipes/debian/build-root/preinstall.ts';

/** Preinstalls packages into `work/tree` in the folder; returns the tree and what was reported. */
export async function preinstallHere(
  folder: string,
  packages: readonly PackageInput[],
  more: { signal?: AbortSignal; sources?: { path: string; name: string }[] } = {},
): Promise<{ tree: string; reports: Progress[] }> {
  const tree = join(folder, 'work/tree');
  await mkdir(tree, { recursive: true });
  const reports: Progress[] = [];
  await preinstall({
    tree,
    packages,
    sources: more.sources ?? [],
    sourcesDirectory: '/build/reproducible-path',
    context: {
      signal: more.signal ?? new AbortController().signal,
      report: (progress) => reports.push(progress),
    },
  });
  return { tree, reports };
}
