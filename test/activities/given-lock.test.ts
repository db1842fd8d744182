import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { givenLock } from '../../activities/given-lock.ts';
import { recipes } from '../../recipes/index.ts';
import { buildId } from '../../schema/build-id.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import type { InputFile, Lock, LockedPackage } from '../../schema/lock.ts';
import { BuildRequest } from '../../schema/request.ts';
import type { Store } from '../../stores/store.ts';
import { resultRecord } from '../../workflows/names.ts';
import { testStore } from '../support/build-host.ts';

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');

function file(name: string, urls = [`http://mirror.example/${name}`]): InputFile {
  return { name, urls, size: name.length, sha256: digestOf(name) };
}

function locked(name: string, more: Partial<LockedPackage> = {}): LockedPackage {
  return { ...file(`${name}_1.deb`), package: name, version: '1', architecture: 'amd64', ...more };
}

const LOCK: Lock = {
  version: 1,
  architecture: 'amd64',
  source: {
    name: 'tool',
    version: '1:1.0-1',
    dsc: 'tool_1.0-1.dsc',
    files: [file('tool_1.0-1.dsc'), file('tool_1.0.tar.gz')],
  },
  base: [locked('libc6')],
  dependencies: [locked('libg++-dev', { version: '1.0~rc1+b2' })],
  kernel: locked('linux-image-amd64'),
  repositories: [],
};

const SCRIPT_LOCK: Lock = {
  ...LOCK,
  source: { name: 'tool', version: '0', files: [file('tool-1.tar.gz')] },
};

const NAMED = { kind: 'debian', source: { name: 'tool' } };
const SCRIPT = {
  kind: 'script',
  name: 'tool',
  script: 'make',
  sources: [{ name: 'tool-1.tar.gz', sha256: digestOf('tool-1.tar.gz') }],
};

async function taken(store: Store, recipe: unknown, content: Lock | string, more = {}) {
  const bytes = typeof content === 'string' ? content : JSON.stringify(content);
  const lock = await store.putBytes(Buffer.from(bytes));
  const request = BuildRequest.parse({ recipe, lock, ...more });
  return await givenLock({ store, recipes }, request, lock);
}

async function refusal(store: Store, recipe: unknown, content: Lock | string, more = {}) {
  const failure = await taken(store, recipe, content, more).catch((error: unknown) => error);
  if (!(failure instanceof SlipwayFailure)) throw new Error('it was taken', { cause: failure });
  expect(failure.type).toBe('InvalidRequest');
  return failure;
}

const stored = (...names: string[]) => names.map((name) => ({ name, sha256: digestOf(name) }));

describe('a lock that fits is taken as it is', () => {
  test.each<[string, unknown, Lock]>([
    ['a name', NAMED, LOCK],
    ['a name with its version', { kind: 'debian', source: { name: 'tool', version: '1:1.0-1' } }, LOCK],
    ['a URL', { kind: 'debian', source: { url: 'http://mirror.example/a/tool_1.0-1.dsc' } }, LOCK],
    [
      'files, one more than the .dsc lists',
      { kind: 'debian', source: { files: stored('tool_1.0-1.dsc', 'tool_1.0.tar.gz', 'other.asc') } },
      LOCK,
    ],
    ['a script with its sources', SCRIPT, SCRIPT_LOCK],
  ])('%s', async (_, recipe, lock) => {
    expect(await taken(await testStore(), recipe, lock)).toEqual(lock);
  });
});

describe('a lock that does not fit is refused with what does not', () => {
  const at = (lock: Lock, source: Partial<Lock['source']>): Lock => ({
    ...lock,
    source: { ...lock.source, ...source },
  });
  test.each<[string, unknown, Lock | string, RegExp, object?]>([
    ['no JSON', NAMED, 'lock', /^lock: .*JSON/],
    ['no lock', NAMED, '{"version":1}', /^lock: architecture: /],
    ['another version of locks', NAMED, JSON.stringify({ ...LOCK, version: 2 }), /^lock: version: /],
    [
      'another architecture',
      NAMED,
      LOCK,
      /^lock: is for amd64, the request is for arm64/,
      { architecture: 'arm64' },
    ],
    ['another source', NAMED, at(LOCK, { name: 'hello' }), /is of hello 1:1.0-1, the request names tool/],
    [
      'another version',
      { kind: 'debian', source: { name: 'tool', version: '1.0-2' } },
      LOCK,
      /is of tool 1:1.0-1, the request names version 1.0-2/,
    ],
    [
      'another .dsc',
      { kind: 'debian', source: { url: 'http://a.example/b_1.dsc' } },
      LOCK,
      /the request names b_1.dsc/,
    ],
    [
      'another content of the .dsc',
      { kind: 'debian', source: { url: 'http://a.example/tool_1.0-1.dsc', sha256: 'a'.repeat(64) } },
      LOCK,
      /has tool_1.0-1.dsc with SHA-256 .*, the request names a{64}/,
    ],
    [
      'files that are not those of the request',
      { kind: 'debian', source: { files: stored('tool_1.0-1.dsc') } },
      LOCK,
      /has the source file tool_1.0.tar.gz, the request has not/,
    ],
    ['that of a script', NAMED, SCRIPT_LOCK, /is of a script, the request is of a Debian/],
    [
      'that of a package, for a script',
      SCRIPT,
      LOCK,
      /is of a Debian source package, the request is of a script/,
    ],
    ['another version of a script', { ...SCRIPT, version: '2' }, SCRIPT_LOCK, /the request builds version 2/],
    ['a source that lacks', { ...SCRIPT, sources: stored('b') }, SCRIPT_LOCK, /lacks among its sources: b/],
    [
      'a source too many',
      { ...SCRIPT, sources: [] },
      SCRIPT_LOCK,
      /has what the request has not among its sources: tool-1/,
    ],
    [
      'a seed that lacks',
      { ...NAMED, options: { ccache: 'b'.repeat(64) } },
      LOCK,
      /lacks among its files beside the source/,
    ],
    [
      'a name with a slash',
      NAMED,
      { ...LOCK, base: [locked('libc6', { name: '../libc6.deb' })] },
      /"..\/libc6.deb"/,
    ],
    [
      'a package that is a path',
      NAMED,
      { ...LOCK, base: [locked('../x')] },
      /has the package "..\/x 1 amd64"/,
    ],
    [
      'a version with a line break',
      NAMED,
      { ...LOCK, base: [locked('x', { version: '1\nA: b' })] },
      /"x 1\\nA: b/,
    ],
    [
      'an architecture with a slash',
      NAMED,
      { ...LOCK, base: [locked('xx', { architecture: 'a/b' })] },
      /"xx 1 a\/b"/,
    ],
    [
      'a .dsc that is none of its files',
      NAMED,
      at(LOCK, { dsc: '../x.dsc' }),
      /has not its own .dsc among its files/,
    ],
    [
      'a version that leads elsewhere',
      NAMED,
      at(LOCK, { version: '1/../..' }),
      /has the source "tool 1\/..\/.."/,
    ],
  ])('%s', async (_, recipe, content, problem, more) => {
    const { more: details } = await refusal(await testStore(), recipe, content, more);
    expect(details.items?.filter((item) => problem.test(item))).toHaveLength(1);
  });

  test('all at once', async () => {
    const lock = at({ ...LOCK, base: [locked('../x')] }, { name: 'hello' });
    const { more, message } = await refusal(await testStore(), NAMED, lock, { architecture: 'arm64' });
    expect(more.items).toHaveLength(4);
    expect(message).toContain('is of hello 1:1.0-1');
  });
});

test('a lock that the store does not have is refused with what to do', async () => {
  const store = await testStore();
  const request = BuildRequest.parse({ recipe: NAMED, lock: 'a'.repeat(64) });
  const failure = await givenLock({ store, recipes }, request, 'a'.repeat(64)).catch((error) => error);
  expect(failure.type).toBe('InvalidRequest');
  expect(failure.more.items).toEqual([`lock: the store has no blob ${'a'.repeat(64)}`]);
  expect(failure.details().advice).toContain('Leave the lock out');
});

describe('URLs of the host’s own files', () => {
  const MIRROR: Lock = { ...LOCK, base: [locked('libc6', file('libc6_1.deb', ['file:///srv/libc6_1.deb']))] };

  test.each(['file:///etc/shadow', 'data:,x', 'no url'])(
    '%s is refused where no result vouches',
    async (url) => {
      const lock: Lock = { ...LOCK, base: [locked('libc6', { urls: [url] })] };
      const { more } = await refusal(await testStore(), NAMED, lock);
      expect(more.items?.[0]).toContain('only a lock that one of the package');
    },
  );

  test('are taken from a lock that a published result of the package names', async () => {
    const store = await testStore();
    const lock = await store.putBytes(Buffer.from(JSON.stringify(MIRROR)));
    const earlier = buildId(BuildRequest.parse({ recipe: NAMED }));
    const record = { build: earlier, lock };
    await store.publish(resultRecord(earlier, 'a-run'), Buffer.from(JSON.stringify(record)));
    expect(await taken(store, NAMED, MIRROR)).toEqual(MIRROR);
  });

  test('are refused where only another package’s result names it', async () => {
    const store = await testStore();
    const lock = await store.putBytes(Buffer.from(JSON.stringify(MIRROR)));
    const other = `build/other/${'a'.repeat(64)}`;
    await store.publish(resultRecord(other, 'a-run'), Buffer.from(JSON.stringify({ build: other, lock })));
    await refusal(store, NAMED, MIRROR);
  });
});

test('the build id is another one with a lock', () => {
  const id = (more: object) => buildId(BuildRequest.parse({ recipe: NAMED, ...more }));
  expect(id({ lock: 'a'.repeat(64) })).not.toBe(id({}));
  expect(id({ lock: 'a'.repeat(64) })).not.toBe(id({ lock: 'b'.repeat(64) }));
});
