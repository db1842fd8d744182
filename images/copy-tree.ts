import type { StepContext } from '../host/progress.ts';
import { run } from '../host/run.ts';
import { treeSize } from './tree-size.ts';

/** As long as a disk may take: the caller's signal bounds it anyway. */
const TIME_LIMIT = 24 * 3600 * 1000;

/**
 * Copies all that a tree is into an existing folder: owners, modes, times, extended attributes, hard links, holes,
 * devices; the root folder's own too.
 */
export async function copyTree(tree: string, into: string, { signal, report }: StepContext): Promise<void> {
  const { bytes } = await treeSize(tree, signal);
  report({ what: 'copy', done: 0, total: bytes, unit: 'bytes' });
  await run(['cp', '--archive', '--', `${tree}/.`, into], { signal, timeout: TIME_LIMIT });
  report({ what: 'copy', done: bytes, total: bytes, unit: 'bytes' });
}
