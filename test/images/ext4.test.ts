import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { run } from '../../host/run.ts';
import { ext4 } from '../../images/ext4.ts';
import { createSparseFile } from '../../images/sparse-file.ts';
import { filesystemContract } from '../contracts/filesystem.ts';
import { withMount } from '../support/in-mount-namespace.ts';
import { writeOddTree } from '../support/odd-tree.ts';
import { scratch } from '../support/scratch.ts';

const CHILD = fileURLToPath(new URL('failing-child.ts', import.meta.url));
const context = () => ({ signal: new AbortController().signal, report: () => {} });

filesystemContract({
  filesystem: ext4,
  program: 'mke2fs',
  refusable: ['-E', '-O'],
  sizeMiB: 64,
  emptyMiB: 16,
});

describe('ext4', () => {
  it('is sound, without journal, checksums, inline data and reserved blocks', async () => {
    await using folder = await scratch();
    const { disk, tree } = await places(folder.path);
    await writeOddTree(tree);
    await ext4.copyIn(disk, tree, context());
    await run(['e2fsck', '-fn', disk]);
    const { stdout } = await run(['dumpe2fs', '-h', disk]);
    expect(stdout).toMatch(/Reserved block count: +0\n/);
    expect(stdout).toMatch(/Block size: +4096\n/);
    const features = /Filesystem features:(.*)/.exec(stdout)?.[1]?.trim().split(/ +/);
    expect(features).toContain('extent');
    for (const off of ['has_journal', 'metadata_csum', '64bit', 'inline_data', 'resize_inode']) {
      expect(features).not.toContain(off);
    }
  });

  it('gives the same image for the same tree', async () => {
    await using folder = await scratch();
    const { disk, tree } = await places(folder.path);
    await writeOddTree(tree);
    // Reading a file for the first time can change its time of access, which is copied.
    await run(['tar', '-cf', '/dev/zero', '-C', tree, '.']);
    const digests: string[] = [];
    for (let i = 0; i < 2; i++) {
      await createSparseFile(disk, 64);
      await ext4.copyIn(disk, tree, context());
      digests.push(
        createHash('sha256')
          .update(await readFile(disk))
          .digest('hex'),
      );
    }
    expect(digests[0]).toBe(digests[1]);
  });

  it('names the package where mke2fs is missing', async () => {
    await using folder = await scratch();
    const { disk, tree } = await places(folder.path);
    const said = await withMount(
      ['tmpfs', 'size=1M', 'none', '/usr/sbin'],
      [process.execPath, CHILD, disk, tree],
    );
    expect(said).toBe('HostUnfit: mke2fs is not installed: install the Debian package e2fsprogs');
  });

  it('says ScratchFull where the host has no room, not DiskFull', async () => {
    await using folder = await scratch();
    const [tree, full] = [join(folder.path, 'tree'), join(folder.path, 'full')];
    await mkdir(tree);
    await mkdir(full);
    await writeFile(join(tree, 'file'), Buffer.alloc(8_000_000, 'x'));
    const said = await withMount(
      ['tmpfs', 'size=4M', 'none', full],
      [process.execPath, CHILD, join(full, 'disk'), tree],
    );
    expect(said).toMatch(/^ScratchFull: /);
  });
});

async function places(folder: string) {
  const [disk, tree] = [join(folder, 'disk'), join(folder, 'tree')];
  await mkdir(tree);
  await createSparseFile(disk, 64);
  return { disk, tree };
}
