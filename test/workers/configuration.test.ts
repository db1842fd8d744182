import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SlipwayFailure } from '../../schema/failures.ts';
import { CODE, loadConfiguration, parseConfiguration, slipwayHome } from '../../workers/configuration.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'slipway-configuration-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

function itemsOf(text: string): string[] {
  try {
    parseConfiguration(text, 'slipway.yaml');
  } catch (error) {
    if (error instanceof SlipwayFailure) return error.more.items ?? [];
    throw error;
  }
  throw new Error('it was accepted');
}

describe('where everything lies', () => {
  it('is SLIPWAY_HOME', async () => {
    const { directories, store } = await loadConfiguration(undefined, { SLIPWAY_HOME: home });
    expect(directories).toEqual({
      state: join(home, 'state'),
      cache: join(home, 'cache'),
      scratch: join(home, 'scratch'),
    });
    expect(store.directory).toBe(join(home, 'store'));
  });

  it('is .slipway in a checkout', () => {
    expect(slipwayHome({})).toBe(join(CODE, '.slipway'));
  });

  it.each(['/usr/lib/slipway', '/opt/slipway', '/srv/app/node_modules/slipway'])(
    'is /var/lib/slipway where it is installed as %s',
    (code) => {
      expect(slipwayHome({}, code)).toBe('/var/lib/slipway');
    },
  );
});

describe('the file', () => {
  it('is slipway.yaml in the home, else all defaults', async () => {
    const env = { SLIPWAY_HOME: home };
    expect((await loadConfiguration(undefined, env)).downloads.parallel).toBe(8);
    await writeFile(join(home, 'slipway.yaml'), 'downloads: {parallel: 3}');
    const loaded = await loadConfiguration(undefined, env);
    expect(loaded.downloads).toEqual({ parallel: 3, attempts: 4 });
    expect(loaded.file).toBe(join(home, 'slipway.yaml'));
  });

  it('is the one that is named, before SLIPWAY_CONFIG, before the home', async () => {
    const files = ['a', 'b'].map((name) => join(home, `${name}.yaml`));
    for (const [index, file] of files.entries()) await writeFile(file, `host: host${index}`);
    const env = { SLIPWAY_HOME: home, SLIPWAY_CONFIG: files[1] };
    expect((await loadConfiguration(files[0], env)).host).toBe('host0');
    expect((await loadConfiguration(undefined, env)).host).toBe('host1');
  });

  it('must be there where it is named', async () => {
    await expect(loadConfiguration(join(home, 'none.yaml'), {})).rejects.toMatchObject({
      type: 'InvalidRequest',
    });
  });

  it('may be empty, and comments are no content', () => {
    expect(parseConfiguration('# nothing yet\n', 'x')).toEqual(parseConfiguration('', 'x'));
  });
});

describe('a wrong file', () => {
  it('names each wrong key with its path and what is valid there', () => {
    expect(itemsOf('capacity: {buidls: 2}\nstroe: {}')).toEqual([
      'capacity.buidls: unknown field; valid here: builds, memory',
      expect.stringMatching(/^stroe: unknown field; valid here: host, directories, store, /),
    ]);
  });

  it('names a wrong key inside a list', () => {
    const [item] = itemsOf(
      'repositories: [{uris: ["https://mirror.example/"], suites: [s], components: [c], trusted: 1}]',
    );
    expect(item).toBe(
      'repositories[0].trusted: unknown field; valid here: uris, suites, components, signedBy',
    );
  });

  it.each([
    ['4GB', 'write for instance 4 GiB'],
    ['512', 'has no unit'],
    ['5 m', 'write for instance 5 MiB'],
    ['lots', 'is not a size'],
    ['1 KiB', 'whole number of MiB'],
  ])('says what to write instead of the size %s', (text, said) => {
    expect(itemsOf(`capacity: {memory: "${text}"}`)).toEqual([expect.stringContaining(said)]);
  });

  it('says that a bare number is no size', () => {
    expect(itemsOf('capacity: {memory: 4096}')).toEqual([
      'capacity.memory: must be a size with its unit, for instance 4 GiB',
    ]);
  });

  it('says where the YAML is wrong, and refuses a key twice', () => {
    expect(itemsOf('vm: [')).toEqual([expect.stringContaining('line 1')]);
    expect(itemsOf('host: a\nhost: b')).toEqual([expect.stringContaining('unique')]);
  });

  it.each(['directories: {scratch: tmp}', 'host: Host_A', 'vm: {types: []}', 'vm: {uid: 0}', '[1]', 'text'])(
    'is refused: %s',
    (text) => {
      expect(itemsOf(text)).toHaveLength(1);
    },
  );
});

it('reads sizes as MiB and lets one guest have all that guests may have', async () => {
  const file = join(home, 'slipway.yaml');
  await writeFile(file, 'capacity: {memory: 1.5 GiB}\nlimits: {disk: 1TiB}');
  const { capacity, limits } = await loadConfiguration(file, {});
  expect(capacity.memoryMiB).toBe(1536);
  // Another host may have more: only what is configured bounds a request.
  expect(limits.memoryMiB).toBeUndefined();
  expect(limits).toMatchObject({ diskMiB: 1_048_576, swapMiB: 65_536 });
});
