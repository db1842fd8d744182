import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { extractArtifacts } from '../../../extraction/extract.ts';
import { guestFilesystem } from '../../../images/filesystem.ts';
import { filesystems } from '../../../images/filesystems.ts';
import { fillDisk } from '../../../images/fill.ts';
import { createSparseFile } from '../../../images/sparse-file.ts';
import { mountOptions } from '../../../vm/container/container-vm.ts';
import { busyboxTree, shell } from '../../support/busybox-guest.ts';
import { startContainer } from '../../support/container-run.ts';
import { RESULT_FILES, RESULTS, sum } from '../../support/odd-results.ts';

const context = { signal: AbortSignal.timeout(600_000), report: () => undefined };

test.each(Object.values(filesystems))(
  'results on $name are what the container wrote, to the byte',
  async (filesystem) => {
    await using container = await startContainer({
      script: '',
      spec: { filesystem: guestFilesystem(filesystem), commands: [shell(RESULTS)] },
      makeDisk: async (disk, swap) => {
        await rm(disk);
        await createSparseFile(disk, 400);
        await rm(swap);
        await createSparseFile(swap, 48);
        await fillDisk({ filesystem, disk, tree: `${disk}.tree`, context }, busyboxTree);
      },
    });
    const { end } = await container.ended();
    expect({ log: await container.log(), end }).toEqual({ log: '', end: { kind: 'succeeded' } });
    const { disk, swap, phase, nonce } = container.spec;
    const into = join(container.base, 'artifacts');
    await mkdir(into);
    const limits = { bytes: 1e8, files: 1000 };
    const artifacts = await extractArtifacts({ phase, nonce, disk, swap, into, limits, ...context });
    const sums = (await readFile(join(into, 'sums'), 'utf8')).trimEnd().split('\n').sort();
    expect(sums.length).toBe(RESULT_FILES);
    const files = artifacts.filter(({ kind, path }) => kind === 'file' && path !== 'sums');
    expect(files.map(sum).sort()).toEqual(sums);
  },
  120_000,
);

test.each([
  [['noatime', 'errors=panic'], 'noatime,errors=remount-ro'],
  [['nobarrier', 'fatal_errors=panic'], 'nobarrier'],
  [[], 'defaults'],
])('a broken disk never panics the host: %j', (options, said) => {
  expect(mountOptions({ filesystem: { name: 'ext4', mountOptions: options, content: 'device' } })).toBe(said);
});
