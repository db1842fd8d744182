import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { runWithout } from '../../../support/without-programs.ts';

const TREE = resolve(import.meta.dirname, '../../../../recipes/debian/build-root/tree.ts');

it.each([
  ['missing', { missing: ['busybox'] }],
  ['not static', { dynamic: ['busybox'] }],
])(
  'where busybox is %s the host is unfit, with the package to install, and nothing stays',
  async (_, without) => {
    const folder = await temporaryFolder();
    const tree = join(folder, 'tree');
    await mkdir(tree);
    const open = `
    import { Tree } from ${JSON.stringify(TREE)};
    const tree = ${JSON.stringify(tree)};
    const failure = await Tree.open(tree, new AbortController().signal).catch((error) => error);
    console.log(JSON.stringify(failure.details()));`;
    const { stdout } = await runWithout(without, [process.execPath, '--input-type=module', '--eval', open]);
    expect(JSON.parse(stdout)).toMatchObject({
      type: 'HostUnfit',
      message: expect.stringContaining('no static /bin/busybox'),
      advice: 'Install the Debian package busybox-static.',
    });
    expect(await readdir(tree)).toEqual([]);
  },
);
