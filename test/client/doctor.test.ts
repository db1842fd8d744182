import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Finding } from '../../client/doctor/check.ts';
import { checkHost } from '../../client/doctor/host.ts';
import { checkServices } from '../../client/doctor/services.ts';
import { loadConfiguration } from '../../workers/configuration.ts';
import { slipwayAsNobody } from '../support/nobody.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { runWithout } from '../support/without-programs.ts';

const CHECK_PROGRAMS = resolve(import.meta.dirname, 'fixtures', 'check-programs.ts');
/** Nobody listens there, and nobody but root may. */
const NO_TEMPORAL = '127.0.0.1:1';

function bad(findings: readonly Finding[]): Record<string, Finding> {
  return Object.fromEntries(findings.filter(({ state }) => state !== 'ok').map((one) => [one.name, one]));
}

async function configuration(text: string) {
  const home = await temporaryFolder();
  await writeFile(join(home, 'slipway.yaml'), text);
  return loadConfiguration(undefined, { SLIPWAY_HOME: home });
}

function withEnvironment(more: Record<string, string>): void {
  const before = { ...process.env };
  onTestFinished(() => {
    process.env = before;
  });
  process.env = { ...before, ...more };
}

describe('programs', () => {
  async function programs(of: Parameters<typeof runWithout>[0]): Promise<Finding[]> {
    return JSON.parse((await runWithout(of, [process.execPath, CHECK_PROGRAMS])).stdout);
  }

  it('are all there, each with its version', async () => {
    const found = await programs({});
    expect(bad(found)).toEqual({});
    expect(found).toContainEqual(
      expect.objectContaining({ name: 'mke2fs', what: expect.stringMatching(/mke2fs 1/) }),
    );
  });

  it('that are missing are each named with what brings it', async () => {
    const missing = ['qemu-system-x86_64', 'mke2fs', 'busybox'];
    const what = 'is not installed';
    expect(bad(await programs({ missing }))).toEqual({
      'qemu-system-x86_64': { ...of('qemu-system-x86_64', what), advice: 'apt-get install qemu-system-x86' },
      mke2fs: { ...of('mke2fs', what), advice: 'apt-get install e2fsprogs' },
      busybox: { ...of('busybox', what), advice: 'apt-get install busybox-static' },
    });
  });

  it.each([
    ['gpg', 'slipway publish cannot sign here'],
    ['perl', 'no containers here'],
  ])('that only some things need are a warning: %s', async (name, lacks) => {
    const found = await programs({ missing: [name] });
    expect(found.find((each) => each.name === name)).toMatchObject({
      ...{ state: 'warning', what: `is not installed: ${lacks}` },
    });
  });

  it('of a filesystem that only some builds ask for are a warning', async () => {
    const found = await programs({ missing: ['mkfs.xfs'] });
    expect(found.find(({ name }) => name === 'mkfs.xfs')).toEqual({
      ...{ name: 'mkfs.xfs', state: 'warning', advice: 'apt-get install xfsprogs' },
      what: 'is not installed: builds that ask for it fail here',
    });
  });

  it('include a busybox that needs no library', async () => {
    const { busybox } = bad(await programs({ dynamic: ['busybox'] }));
    expect(busybox?.what).toMatch(/busybox is not static$/);
    expect(busybox?.advice).toBe('apt-get install busybox-static');
  });

  it('include a busybox that runs', async () => {
    const { busybox } = bad(await programs({ broken: ['busybox'] }));
    expect(busybox?.what).toMatch(/busybox does not run: /);
    expect(busybox?.advice).toBe('apt-get install --reinstall busybox-static');
  });
});

function of(name: string, what: string): Finding {
  return { name, state: 'failed', what };
}

describe('services', () => {
  const REPOSITORIES =
    'repositories: [{uris: ["https://mirror.example/"], suites: [stable], components: [main]}]\n';

  it('that are missing are each named with what to do', async () => {
    withEnvironment({ TEMPORAL_ADDRESS: NO_TEMPORAL });
    const missing = join(await temporaryFolder(), 'not-mounted');
    const { store, temporal, repositories } = bad(
      await checkServices(await configuration(`${REPOSITORIES}store: {directory: ${missing}}\n`)),
    );
    expect(store).toMatchObject({ state: 'failed', what: expect.stringContaining(missing) });
    expect(store?.advice).toMatch(/mounted|folder/);
    expect(temporal).toMatchObject({
      ...{ state: 'failed', what: `no answer at ${NO_TEMPORAL}` },
      advice: expect.stringContaining('TEMPORAL_ADDRESS'),
    });
    expect(repositories).toBeUndefined();
  });

  it('are looked at also where the settings of Temporal are wrong', async () => {
    const file = join(await temporaryFolder(), 'temporal.toml');
    await writeFile(file, 'no toml');
    withEnvironment({ TEMPORAL_CONFIG_FILE: file, TEMPORAL_ADDRESS: '' });
    const findings = await checkServices(await configuration(REPOSITORIES));
    expect(findings).toHaveLength(3);
    expect(bad(findings)).toEqual({
      temporal: {
        ...of('temporal', expect.stringMatching(/^Temporal's settings are wrong: /)),
        advice: expect.stringContaining('TEMPORAL_CONFIG_FILE'),
      },
    });
  });

  it('include a folder for the store that is something else', async () => {
    withEnvironment({ TEMPORAL_ADDRESS: NO_TEMPORAL });
    const directory = await temporaryFolder();
    await mkdir(join(directory, 'photos'));
    const text = `${REPOSITORIES}store: {directory: ${directory}}\n`;
    const { store } = bad(await checkServices(await configuration(text)));
    expect(store).toMatchObject({ state: 'failed', what: expect.stringContaining('is no store of slipway') });
    expect(store?.advice).toContain('empty folder');
  });
});

describe('the host', () => {
  it('must have the memory that it is to give, and should have enough for a default guest', async () => {
    const much = bad(await checkHost(await configuration('capacity: {memory: 900 TiB}\n')));
    expect(much.memory).toMatchObject({
      state: 'failed',
      advice: expect.stringContaining('capacity.memory'),
    });
    const little = bad(await checkHost(await configuration('capacity: {memory: 1 GiB}\n')));
    expect(little.memory).toMatchObject({ state: 'warning', advice: expect.stringContaining('--memory') });
  });

  it('keeps build roots, so many as lie there, or is told what it costs to keep none', async () => {
    const cache = await temporaryFolder();
    const found = async (text: string) =>
      (await checkHost(await configuration(text))).find(({ name }) => name === 'build roots');
    const root = join(cache, 'build-roots', 'ab'.repeat(32));
    await mkdir(root, { recursive: true });
    await writeFile(join(root, 'disk'), Buffer.alloc(2 ** 20, 'a root'));
    const there = `directories: {cache: ${cache}}\n`;
    expect(await found(there)).toMatchObject({ state: 'ok', what: '1 kept, 1 MiB of 20 GiB' });
    expect(await found(`${there}buildRoots: {size: 0 GiB}\n`)).toMatchObject({
      ...{ state: 'warning', what: 'none are kept' },
      advice: expect.stringContaining('buildRoots.size'),
    });
    expect(await found('directories: {cache: /dev/null/none}\n')).toMatchObject({
      ...{ state: 'warning', what: expect.stringContaining('ENOTDIR') },
      advice: expect.stringContaining('directories.cache'),
    });
  });

  it('must have a place for disks', async () => {
    const { space } = bad(await checkHost(await configuration('directories: {scratch: /dev/null/none}\n')));
    expect(space).toMatchObject({ state: 'failed', advice: 'Set directories.scratch.' });
  });
});

it('ends with 3 for who is not root, after all checks; each that failed says what to do', async () => {
  const env = { TEMPORAL_ADDRESS: NO_TEMPORAL };
  const { stdout, exitCode } = await slipwayAsNobody(['doctor', '--json'], env);
  const findings = JSON.parse(stdout) as Finding[];
  const failed = findings.filter(({ state }) => state === 'failed');
  expect(failed.map(({ name }) => name)).toEqual(['root', 'space', 'store', 'temporal', 'vm']);
  for (const { advice } of failed) expect(advice).toMatch(/\w/);
  expect(failed[0]?.advice).toContain('sudo slipway worker');
  expect(exitCode).toBe(3);
});
