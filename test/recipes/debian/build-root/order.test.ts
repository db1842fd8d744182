import { chmod, chown, link, lstat, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { PackageFile, PackageInput } from '../../../../recipes/debian/build-root/package-control.ts';
import { buildDeb, type DebDescription } from '../../../support/deb.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { treeFacts } from '../../../support/tree-facts.ts';
import { preinstallHere } from './preinstall-here.ts';

/** Their files come one after the other, in this order. */
function arriving(debs: readonly PackageFile[], order: readonly number[]): PackageInput[] {
  return debs.map((deb, index) => ({
    ...deb,
    path: async () => {
      await sleep(150 * order.indexOf(index));
      return deb.path;
    },
  }));
}

async function factsOf(debs: readonly PackageFile[], order?: readonly number[]): Promise<string[]> {
  const folder = await temporaryFolder();
  const { tree } = await preinstallHere(folder, order === undefined ? debs : arriving(debs, order));
  return [...(await treeFacts(tree, () => undefined))].map(([path, facts]) => `${path} ${facts}`);
}

const shared = (content: string) => ({ '/usr/share/shared': content, [`/usr/share/${content}`]: content });
const mode = (wanted: number) => async (root: string) => {
  await chmod(join(root, 'var/shared'), wanted);
  await chown(join(root, 'var/shared'), 0, wanted & 0o77);
};

/** Packages that see something differently. */
const CONFLICTS: Record<string, DebDescription[]> = {
  'a file that one of them replaces': [
    { package: 'young', fields: { Replaces: 'old' }, files: shared('young') },
    { package: 'old', files: shared('old') },
  ],
  'a file that they name differently': [
    { package: 'one', files: { '/bin/tool': 'one' } },
    { package: 'two', files: { '/usr/bin/tool': 'two' } },
  ],
  'the mode of a folder': [
    { package: 'one', files: { '/var/shared/one': '1' }, prepare: mode(0o2775) },
    { package: 'two', files: { '/var/shared/two': '2' }, prepare: mode(0o755) },
  ],
  'a folder that base-files has as a link': [
    { package: 'daemon', files: { '/var/run/daemon/pid': '1' }, prepare: async () => {} },
    { package: 'base-files', files: { '/run/kept': '', '/var/run': { link: '/run' } } },
  ],
  'a folder that another has as a link': [
    { package: 'one', files: { '/usr/share/doc/b/text': '1' } },
    { package: 'two', files: { '/usr/share/doc/a/text': '2', '/usr/share/doc/b': { link: 'a' } } },
  ],
  'a second name of a file that is replaced': [
    { package: 'young', fields: { Replaces: 'old' }, files: { '/usr/share/x': 'young' } },
    {
      package: 'old',
      files: { '/usr/share/x': 'old' },
      prepare: (root) => link(join(root, 'usr/share/x'), join(root, 'usr/share/y')),
    },
  ],
};

describe.each(Object.entries(CONFLICTS))('%s', (_, descriptions) => {
  test('lies there the same, whichever package comes first', async () => {
    const folder = await temporaryFolder();
    const debs = await Promise.all(descriptions.map((description) => buildDeb(folder, description)));
    const [first, second] = [await factsOf(debs, [0, 1]), await factsOf(debs, [1, 0])];
    expect(second).toEqual(first);
    expect(await factsOf(debs)).toEqual(first);
  });
});

async function unpacked(what: keyof typeof CONFLICTS): Promise<string> {
  const folder = await temporaryFolder();
  const debs = (CONFLICTS[what] ?? []).map((description) => buildDeb(folder, description));
  return (await preinstallHere(folder, await Promise.all(debs))).tree;
}

test('of a folder the first package of the list sets mode and owner, as with dpkg', async () => {
  const folder = await lstat(join(await unpacked('the mode of a folder'), 'var/shared'));
  expect([folder.mode & 0o7777, folder.gid]).toEqual([0o2775, 0o75]);
});

test('a link of base-files is one in the end, and leads to what others put there', async () => {
  const tree = await unpacked('a folder that base-files has as a link');
  expect(await readlink(join(tree, 'var/run'))).toBe('/run');
  expect(await readFile(join(tree, 'run/daemon/pid'), 'utf8')).toBe('1');
});

test('a folder is left where a later package has a link, as with dpkg', async () => {
  const tree = await unpacked('a folder that another has as a link');
  expect(await readFile(join(tree, 'usr/share/doc/b/text'), 'utf8')).toBe('1');
  expect(await readFile(join(tree, 'usr/share/doc/a/text'), 'utf8')).toBe('2');
});

test('a second name of a replaced file keeps what its own package shipped', async () => {
  const tree = await unpacked('a second name of a file that is replaced');
  expect(await readFile(join(tree, 'usr/share/x'), 'utf8')).toBe('young');
  expect(await readFile(join(tree, 'usr/share/y'), 'utf8')).toBe('old');
});

test('a file that does not come is the failure, and the others are given up', async () => {
  const folder = await temporaryFolder();
  const deb = await buildDeb(folder, { package: 'tool' });
  let givenUp = false;
  const lost: PackageInput = { ...deb, package: 'lost', path: () => Promise.reject(new Error('gone')) };
  const late: PackageInput = {
    ...deb,
    package: 'late',
    path: (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          givenUp = true;
          reject(signal.reason);
        });
      }),
  };
  await expect(preinstallHere(folder, [deb, late, lost])).rejects.toThrow('gone');
  expect(givenUp).toBe(true);
});

test('files are asked for a few at a time, and large packages are begun with', async () => {
  const folder = await temporaryFolder();
  const asked: string[] = [];
  let now = 0;
  let most = 0;
  const inputs = await Promise.all(
    Array.from({ length: 24 }, async (_, index): Promise<PackageInput> => {
      const deb = await buildDeb(folder, { package: `pkg${index}` });
      const path = async () => {
        asked.push(deb.package);
        now += 1;
        most = Math.max(most, now);
        await sleep(20);
        now -= 1;
        return deb.path;
      };
      return { ...deb, size: index, path };
    }),
  );
  await preinstallHere(folder, inputs);
  expect(asked.length).toBe(24);
  expect(asked[0]).toBe('pkg23');
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(8);
});
