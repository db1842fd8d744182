import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Progress } from '../../host/progress.ts';
import { run } from '../../host/run.ts';
import type { CopyInFilesystem } from '../../images/filesystem.ts';
import { createSparseFile } from '../../images/sparse-file.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import { withMount } from '../support/in-mount-namespace.ts';
import { writeOddTree } from '../support/odd-tree.ts';
import { scratch } from '../support/scratch.ts';

const MANIFEST = fileURLToPath(new URL('../support/manifest.ts', import.meta.url));

/** What every filesystem of a guest's disk must do. Runs as root; mounts in namespaces of their own. */
export function filesystemContract(filesystem: CopyInFilesystem): void {
  describe(`filesystem ${filesystem.name}`, () => {
    it('keeps all that a tree is', async () => {
      await using folder = await scratch();
      const { disk, tree, mountPoint } = await places(folder.path, 64);
      await writeOddTree(tree);
      await filesystem.copyIn(disk, tree, context());
      const mount = ['loop', 'ro', ...filesystem.mountOptions];
      const mounted = [filesystem.name, mount.join(','), disk, mountPoint] as const;
      const kept = await withMount(mounted, [process.execPath, MANIFEST, mountPoint]);
      expect(kept).toBe((await run([process.execPath, MANIFEST, tree])).stdout);
      expect(await withMount(mounted, ['getcap', join(mountPoint, 'capable')])).toContain('cap_net_raw=ep');
    });

    it('can be written with its mount options', async () => {
      await using folder = await scratch();
      const { disk, tree, mountPoint } = await places(folder.path, 64);
      await filesystem.copyIn(disk, tree, context());
      const options = ['loop', ...filesystem.mountOptions].join(',');
      const mounted = [filesystem.name, options, disk, mountPoint] as const;
      await withMount(mounted, ['cp', '--', MANIFEST, join(mountPoint, 'written')]);
      const read = await withMount(mounted, ['cat', join(mountPoint, 'written')]);
      expect(read).toBe(await readFile(MANIFEST, 'utf8'));
    });

    it('leaves size and mode of the disk, takes only what the tree takes', async () => {
      await using folder = await scratch();
      const { disk, tree } = await places(folder.path, 4096);
      await writeFile(join(tree, 'file'), 'x');
      await filesystem.copyIn(disk, tree, context());
      const { size, mode, blocks } = await stat(disk);
      expect(size).toBe(4096 * 1024 * 1024);
      expect(mode & 0o777).toBe(0o600);
      expect(blocks * 512).toBeLessThan(16 * 1024 * 1024);
    });

    it('takes any path for disk and tree', async () => {
      await using folder = await scratch();
      for (const name of ['-a b,c=d\n?e=f', '?x', '--help']) {
        const { disk, tree } = await places(join(folder.path, name), 32, `${name}-disk`, `${name}-tree`);
        await writeFile(join(tree, 'file'), 'x');
        await filesystem.copyIn(disk, tree, context());
        expect((await stat(disk)).blocks).toBeGreaterThan(0);
      }
    });

    it('says DiskFull and how large a disk would do', async () => {
      await using folder = await scratch();
      const { disk, tree } = await places(folder.path, 16);
      await writeMany(tree, 3000, 10_000);
      const failure = await filesystem.copyIn(disk, tree, context()).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(SlipwayFailure);
      if (!(failure instanceof SlipwayFailure)) return;
      expect(failure.type).toBe('DiskFull');
      expect(failure.message).toContain('29 MiB in 3001 files on a disk of 16 MiB');
      const advised = Number(/resources\.diskMiB to (\d+)/.exec(failure.more.advice ?? '')?.[1]);
      expect(advised).toBeLessThan(100);
      await createSparseFile(disk, advised);
      await filesystem.copyIn(disk, tree, context());
    });

    it('holds many more small files than bytes suggest', async () => {
      await using folder = await scratch();
      const { disk, tree } = await places(folder.path, 32);
      await writeMany(tree, 5000, 0);
      await filesystem.copyIn(disk, tree, context());
    });

    it('reports how far it is, up to the end', async () => {
      await using folder = await scratch();
      const { disk, tree } = await places(folder.path, 64);
      await writeFile(join(tree, 'file'), Buffer.alloc(1_000_000, 1));
      const reports: Progress[] = [];
      await filesystem.copyIn(disk, tree, {
        ...context(),
        report: (progress) => void reports.push(progress),
      });
      const last = reports.at(-1);
      expect(last?.total).toBeGreaterThanOrEqual(1_000_000);
      expect(last?.done).toBe(last?.total);
    });

    it('ends with the reason of an abort and leaves no process', async () => {
      await using folder = await scratch();
      const { disk, tree } = await places(folder.path, 2048);
      await writeMany(tree, 40, 10_000_000);
      const abort = new AbortController();
      const reason = new Error('told to stop');
      const filling = filesystem.copyIn(disk, tree, { signal: abort.signal, report: () => {} });
      setTimeout(() => abort.abort(reason), 100);
      await expect(filling).rejects.toBe(reason);
      expect(await processesIn(folder.path)).toEqual([]);
    });
  });
}

function context() {
  return { signal: new AbortController().signal, report: () => {} };
}

async function places(folder: string, sizeMiB: number, diskName = 'disk', treeName = 'tree') {
  const [disk, tree, mountPoint] = [join(folder, diskName), join(folder, treeName), join(folder, 'mnt')];
  await mkdir(tree, { recursive: true });
  await mkdir(mountPoint);
  await createSparseFile(disk, sizeMiB);
  return { disk, tree, mountPoint };
}

async function writeMany(tree: string, count: number, bytes: number): Promise<void> {
  const content = Buffer.alloc(bytes, 'x');
  for (let i = 0; i < count; i++) await writeFile(join(tree, `${i}`), content);
}

/** Command lines of processes that name a folder or work in it. */
async function processesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(folder)) found.push(command);
  }
  return found;
}
