import { run } from '../host/run.ts';

/** What a tree would take on a disk. */
export interface TreeSize {
  /** Sum of the sizes of all files, folders and links, hard links counted once, holes as if they were written. */
  bytes: number;
  /** Files, folders, links and devices; hard links counted once. */
  inodes: number;
}

/** Measures a tree by walking it twice (0.1 s for 20 000 files in the cache). */
export async function treeSize(tree: string, signal: AbortSignal): Promise<TreeSize> {
  return {
    bytes: await du(['--apparent-size', '--block-size=1'], tree, signal),
    inodes: await du(['--inodes'], tree, signal),
  };
}

async function du(options: readonly string[], tree: string, signal: AbortSignal): Promise<number> {
  const { stdout } = await run(['du', '--summarize', ...options, '--', tree], { signal });
  return Number.parseInt(stdout, 10);
}
