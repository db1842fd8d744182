import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../../../host/run.ts';
import { createSparseFile } from '../../../images/sparse-file.ts';
import { withMount } from '../../support/in-mount-namespace.ts';
import { runWithout } from '../../support/without-programs.ts';
import {
  CHILD,
  context,
  fill,
  leftOf,
  onMounted,
  type Place,
  place,
  type UnderTest,
  waysOf,
} from './under-test.ts';

/** Refuses what the first arguments say; anything else is for the real program. */
const PICKY = `#!/bin/sh
for word in "$@"; do
  case " REFUSED " in *" $word "*) echo "$0: unknown option -- '$word'" >&2; exit 1 ;; esac
done
exec /usr/sbin/PROGRAM "$@"
`;

/** Disks that are none, or not enough. */
const BAD_DISKS: [string, (at: Place) => Promise<unknown>, string][] = [
  ['missing', async () => undefined, 'cannot be used: ENOENT'],
  ['a folder', ({ disk }) => mkdir(disk), 'is a folder'],
  ['a pipe', ({ disk }) => run(['mkfifo', disk]), 'is neither a regular file nor a block device'],
  ['a character device', ({ disk }) => run(['mknod', disk, 'c', '1', '3']), 'is neither a regular file nor'],
  ['a node without a device', ({ disk }) => run(['mknod', disk, 'b', '239', '77']), 'without a device'],
  ['a link to nothing', ({ disk }) => symlink('nowhere', disk), 'cannot be used: ENOENT'],
  [
    'a link to a file',
    async ({ disk, folder }) => {
      await createSparseFile(join(folder, 'other'), 400);
      await symlink('other', disk);
    },
    'is a symlink to a file',
  ],
];

/** What a filesystem is given and cannot use, and what a program of the host refuses. */
export function refusalContract(of: UnderTest): void {
  const { filesystem, program } = of;
  const { name } = filesystem;

  it.each(BAD_DISKS)('refuses a disk that is %s', async (_, make, why) => {
    const at = await place(16);
    await rm(at.disk);
    await make(at);
    const refusal = { type: 'HostUnfit', message: expect.stringContaining(why) };
    await expect(filesystem.make(at.disk, context())).rejects.toMatchObject(refusal);
    await mkdir(at.tree);
    if (filesystem.copyIn !== undefined) {
      await expect(filesystem.copyIn(at.disk, at.tree, context())).rejects.toMatchObject(refusal);
    }
    for (const way of waysOf(filesystem)) {
      await expect(fill(of, way, at, async () => undefined)).rejects.toMatchObject(refusal);
    }
    expect(await leftOf(at)).toEqual([]);
  });

  it.each([0, 1 / 1024, ...(of.tooSmallMiB === undefined ? [] : [of.tooSmallMiB])])(
    'says DiskFull of a disk of %f MiB, and the least that would do',
    async (sizeMiB) => {
      const at = await place(16);
      await createSparseFile(at.disk, sizeMiB);
      const failure = await filesystem.make(at.disk, context()).catch((error: unknown) => error);
      expect(failure).toMatchObject({
        type: 'DiskFull',
        message: expect.stringContaining(`${name} cannot be made on`),
      });
      const advice = (failure as { more: { advice?: string } }).more.advice;
      const least = Number(/resources\.diskMiB to (\d+)/.exec(advice ?? '')?.[1]);
      await createSparseFile(at.disk, least);
      await filesystem.make(at.disk, context());
    },
  );

  it.runIf(filesystem.copyIn !== undefined)('refuses to copy what is no tree', async () => {
    const at = await place(of.sizeMiB);
    const copy = () => filesystem.copyIn?.(at.disk, at.tree, context());
    await expect(copy()).rejects.toMatchObject({
      type: 'HostUnfit',
      message: expect.stringContaining('ENOENT'),
    });
    await writeFile(at.tree, '');
    await expect(copy()).rejects.toMatchObject({
      type: 'HostUnfit',
      message: `the tree ${at.tree} is no folder`,
    });
  });

  it.each(of.refusable)('makes do without options where mkfs refuses %s', async (option) => {
    const at = await place(of.sizeMiB);
    const programs = join(at.folder, 'programs');
    await mkdir(programs);
    const picky = PICKY.replace('REFUSED', option).replace('PROGRAM', program);
    await writeFile(join(programs, program), picky, { mode: 0o755 });
    for (const way of waysOf(filesystem)) {
      await createSparseFile(at.disk, of.sizeMiB);
      const child = [process.execPath, CHILD, name, way, at.disk, at.tree] as const;
      const said = await withMount(['none', 'bind', programs, '/usr/local/sbin'], child);
      expect(said).toMatch(new RegExp(`^(${name} with fewer options\n)+filled\n$`));
      expect(await onMounted(of, at, ['getcap', join(at.mountPoint, 'capable')])).toContain('cap_net_raw=ep');
    }
  });

  it('names the Debian package where mkfs is missing', async () => {
    const at = await place(of.sizeMiB);
    const child = [process.execPath, CHILD, name, 'mount', at.disk, at.tree];
    const { stdout } = await runWithout({ missing: [program] }, child);
    expect(stdout).toMatch(
      new RegExp(`^HostUnfit: ${program} is not installed: install the Debian package \\S+$`),
    );
  });

  it.each(waysOf(filesystem))(
    'says ScratchFull where the host has no room for what is filled by %s',
    async (way) => {
      const at = await place(of.sizeMiB);
      const full = join(at.folder, 'full');
      await mkdir(full);
      const child = [
        process.execPath,
        CHILD,
        name,
        way,
        join(full, 'disk'),
        join(full, 'tree'),
        'large',
      ] as const;
      // Enough for an empty filesystem, not for what comes into it.
      const said = await withMount(['tmpfs', `size=${of.emptyMiB + 40}M`, 'none', full], child);
      expect(said).toMatch(/^(.* with fewer options\n)?ScratchFull: /);
      expect(await leftOf(at)).toEqual([]);
    },
  );
}
