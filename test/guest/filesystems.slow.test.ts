import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { extractArtifacts } from '../../extraction/extract.ts';
import { run } from '../../host/run.ts';
import { ext4 } from '../../images/ext4.ts';
import type { Filesystem } from '../../images/filesystem.ts';
import { filesystems } from '../../images/filesystems.ts';
import { fillDisk } from '../../images/fill.ts';
import { busyboxTree, NONCE, runBusyboxGuest, shell } from '../support/busybox-guest.ts';
import { RESULT_FILES, RESULTS, sum } from '../support/odd-results.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const context = { signal: AbortSignal.timeout(600_000), report: () => undefined };

/** Keeps content of small files in the inode, where no extent tells of it. */
const inline: Filesystem = {
  ...ext4,
  async copyIn(disk, tree) {
    await run(['mke2fs', '-qF', '-t', 'ext4', '-b1024', '-I256', '-O', 'inline_data', '-d', tree, disk]);
  },
};

async function filled(filesystem: Filesystem): Promise<string> {
  const folder = await temporaryFolder();
  const [disk, tree] = [join(folder, 'disk'), join(folder, 'tree')];
  await run(['truncate', '--size', '320M', disk]);
  await fillDisk({ filesystem, disk, tree, context }, busyboxTree);
  return folder;
}

const all: [what: string, filesystem: Filesystem, devices: string[]][] = [
  ...Object.values(filesystems).map((each): [string, Filesystem, string[]] => [
    each.name,
    each,
    each.content === 'device' ? ['disk'] : ['swap'],
  ]),
  ['ext4 with inline_data', inline, ['disk', 'swap']],
];

test.each(all)('results on %s are what the guest wrote, to the byte', async (_, filesystem, devices) => {
  const folder = await filled(filesystem);
  const said = await runBusyboxGuest(folder, [shell(RESULTS)], { filesystem, swapMiB: 48 });
  expect({ log: said.log, ...said.letterBox?.header }).toMatchObject({ log: '', result: 'succeeded' });
  const into = join(folder, 'artifacts');
  await mkdir(into);
  const artifacts = await extractArtifacts({
    ...{ phase: 'build', nonce: NONCE, disk: join(folder, 'disk'), swap: join(folder, 'swap'), into },
    ...{ limits: { bytes: 1e8, files: 1000 }, ...context },
  });
  const sums = (await readFile(join(into, 'sums'), 'utf8')).trimEnd().split('\n').sort();
  expect(sums.length).toBe(RESULT_FILES);
  const files = artifacts.filter(({ kind, path }) => kind === 'file' && path !== 'sums');
  expect(files.map(sum).sort()).toEqual(sums);
  const extents = said.letterBox?.list.toString().matchAll(/^E (\w+)/gm) ?? [];
  expect([...new Set([...extents].map(([, device]) => device))].sort()).toEqual(devices);
});

test.each(all.filter(([what]) => /^(ext4|btrfs)$/.test(what)))(
  'results on %s that do not fit through the swap are told so',
  async (_, filesystem) => {
    const folder = await filled(filesystem);
    const many = `cd /out && long=$(printf %200s | tr ' ' x) && for i in $(seq 400); do echo > $long$i; done`;
    const { letterBox } = await runBusyboxGuest(folder, [shell(many)], { filesystem, swapMiB: 1 / 16 });
    expect(letterBox?.header).toMatchObject({ result: 'disk-full', exit: '0', length: '0' });
  },
);
