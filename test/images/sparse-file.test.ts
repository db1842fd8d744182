import { statfsSync } from 'node:fs';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createSparseFile } from '../../images/sparse-file.ts';
import { withMount } from '../support/in-mount-namespace.ts';
import { scratch } from '../support/scratch.ts';

const CHILD = fileURLToPath(new URL('failing-child.ts', import.meta.url));
const EXT4 = 0xef53;

describe('createSparseFile', () => {
  it('makes a file of the size that takes no room and that only root can read', async () => {
    await using folder = await scratch();
    const path = join(folder.path, 'disk');
    await createSparseFile(path, 4096);
    const { size, blocks, mode } = await stat(path);
    expect({ size, blocks, mode: mode & 0o7777 }).toEqual({ size: 4096 * 2 ** 20, blocks: 0, mode: 0o600 });
  });

  it('replaces what was there, content and mode', async () => {
    await using folder = await scratch();
    const path = join(folder.path, 'disk');
    await writeFile(path, 'secret', { mode: 0o644 });
    await createSparseFile(path, 1);
    expect((await readFile(path)).equals(Buffer.alloc(2 ** 20))).toBe(true);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('does not write through a symlink', async () => {
    await using folder = await scratch();
    await writeFile(join(folder.path, 'other'), 'kept');
    await symlink('other', join(folder.path, 'disk'));
    await expect(createSparseFile(join(folder.path, 'disk'), 1)).rejects.toThrow('ELOOP');
    expect(await readFile(join(folder.path, 'other'), 'utf8')).toBe('kept');
  });

  it('says ScratchFull where there is no room', async () => {
    await using folder = await scratch();
    const full = join(folder.path, 'full');
    await mkdir(full);
    const said = await withMount(
      ['tmpfs', 'nr_inodes=1', 'none', full],
      [process.execPath, CHILD, join(full, 'disk'), full],
    );
    expect(said).toBe(`ScratchFull: no room for ${full}/disk: free space there`);
  });

  // XFS and others have files larger than a number of JavaScript can say.
  it.runIf(statfsSync(tmpdir()).type === EXT4)(
    'says HostUnfit where a file cannot be that large',
    async () => {
      await using folder = await scratch();
      const failure = createSparseFile(join(folder.path, 'disk'), 2 ** 25);
      await expect(failure).rejects.toMatchObject({ name: 'SlipwayFailure', type: 'HostUnfit' });
    },
  );
});
