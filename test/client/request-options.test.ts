import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { checkedRequest } from '../../client/client.ts';
import { parseSeconds } from '../../client/durations.ts';
import { UsageError } from '../../client/exit-codes.ts';
import { addRequestOptions, positive, requestFrom, type Uploads } from '../../client/request-options.ts';
import { BuildRequest } from '../../schema/request.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const DIGEST = 'a'.repeat(64);

/** The request that a command line leads to. */
async function requestOf(
  argv: readonly string[],
  uploads: Uploads = { source: { name: 'hello' } },
): Promise<unknown> {
  const command = addRequestOptions(
    new Command().exitOverride().configureOutput({ writeErr: () => undefined }),
  );
  command.parse(['node', 'slipway', ...argv]);
  return requestFrom(command.opts(), uploads);
}

it('says nothing but the source where nothing is asked for: defaults are the schema’s', async () => {
  expect(await requestOf([])).toEqual({ recipe: { kind: 'debian', source: { name: 'hello' } } });
});

it('has an option for each part of a request', async () => {
  const line = [
    ...['--cpus', '4', '--memory', '4 GiB', '--disk', '20GiB', '--swap', '512 MiB'],
    ...['--filesystem', 'xfs', '--architecture', 'arm64'],
    ...['--jobs', '3', '--build-option', 'nocheck', '--build-option', 'nodoc', '--profile', 'stage1'],
    ...['--parts', 'any, source', '--extra-package', 'ccache', '--isolation', 'secure', '--vm', 'kvm'],
    ...[
      '--timeout',
      '2 h',
      '--boot-timeout',
      '30s',
      '--silence-timeout',
      '10min',
      '--heartbeat-timeout',
      '1 min',
    ],
    ...['--log-limit', '1GiB', '--artifacts-limit', '2 GiB', '--artifact-files', '20'],
    ...[
      '--repository',
      'https://mirror.example/debian bookworm main contrib',
      '--keyring',
      'k',
      '--source-keyring',
      's',
    ],
  ];
  const request = await requestOf(line, {
    source: { name: 'hello' },
    keyrings: [DIGEST],
    sourceKeyring: DIGEST,
  });
  expect(request).toEqual({
    recipe: {
      kind: 'debian',
      source: { name: 'hello' },
      keyring: DIGEST,
      options: {
        parts: ['any', 'source'],
        jobs: 3,
        buildOptions: ['nocheck', 'nodoc'],
        profiles: ['stage1'],
        extraPackages: ['ccache'],
      },
    },
    repositories: [
      {
        uris: ['https://mirror.example/debian'],
        suites: ['bookworm'],
        components: ['main', 'contrib'],
        keyring: DIGEST,
      },
    ],
    architecture: 'arm64',
    vm: { isolation: 'secure', type: 'kvm' },
    resources: { cpus: 4, memoryMiB: 4096, diskMiB: 20_480, swapMiB: 512, filesystem: 'xfs' },
    limits: {
      ...{ totalSeconds: 7200, bootSeconds: 30, heartbeatSeconds: 60, logSilenceSeconds: 600 },
      ...{ logMiB: 1024, artifactsMiB: 2048, artifactFiles: 20 },
    },
  });
  const { limits, resources } = BuildRequest.parse(request);
  expect(Object.keys((request as BuildRequest).limits).sort()).toEqual(Object.keys(limits).sort());
  expect(Object.keys((request as BuildRequest).resources).sort()).toEqual(Object.keys(resources).sort());
});

it('lays options over a request file, field by field; a source replaces the whole source', async () => {
  const file = join(await temporaryFolder(), 'request.json');
  const written = {
    recipe: {
      kind: 'debian',
      source: { url: 'https://mirror.example/a_1.dsc' },
      options: { profiles: ['x'] },
    },
    resources: { cpus: 1, memoryMiB: 512 },
  };
  await writeFile(file, JSON.stringify(written));
  expect(await requestOf(['--request', file], {})).toEqual(written);
  expect(await requestOf(['--request', file, '--memory', '1 GiB'])).toEqual({
    recipe: { kind: 'debian', source: { name: 'hello' }, options: { profiles: ['x'] } },
    resources: { cpus: 1, memoryMiB: 1024 },
  });
});

it.each([
  [{ recipe: { kind: 'arch', source: { name: 'hello' } } }, 'recipe.kind: must be "debian" or "script"'],
  [{ recipe: { kind: 'debian' } }, 'recipe.source: is missing'],
  [{ recipe: 'hello' }, 'recipe: Invalid input: expected object, received string'],
  [{}, 'recipe.source: is missing'],
])('leaves what is wrong in a request file for the check to name: %j', async (written, said) => {
  const file = join(await temporaryFolder(), 'request.json');
  await writeFile(file, JSON.stringify(written));
  const request = await requestOf(['--request', file, '--jobs', '2'], {}).catch((error) => error);
  expect(() => checkedRequest(request)).toThrow(expect.objectContaining({ more: { items: [said] } }));
});

describe('what cannot be meant', () => {
  it.each([
    [['--memory', '4GB'], 'write for instance 4 GiB'],
    [['--memory', '4096'], 'has no unit'],
    [['--cpus', 'two'], 'whole number'],
    [['--timeout', '90'], 'write a number and s, min, h or d'],
    [['--vm', 'xen'], 'kvm, qemu'],
    [['--isolation', 'none'], 'secure, emulated'],
  ])('is refused: %j', async (argv, said) => {
    await expect(requestOf(argv)).rejects.toThrow(said);
  });

  it.each([
    [['--keyring', 'file'], '--keyring needs --repository'],
    [
      [...['--repository', 'http://a x main'], ...['--keyring', 'a', '--keyring', 'b']],
      'There are 2 --keyring for 1 --repository',
    ],
    [
      [
        ...[
          '--repository',
          'http://a x main',
          '--repository',
          'http://b x main',
          '--repository',
          'http://c x main',
        ],
        ...['--keyring', 'a', '--keyring', 'b'],
      ],
      'There are 2 --keyring for 3 --repository',
    ],
    [['--repository', 'https://mirror.example/ bookworm'], 'is no repository'],
    [['--request', '/nonexistent/request.json'], 'cannot be read'],
  ])('is a usage error: %j', async (argv, said) => {
    const error = await requestOf(argv).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).message).toContain(said);
  });

  it('is to name nothing to build', async () => {
    await expect(requestOf([], {})).rejects.toThrow('Nothing to build is named');
  });
});

it.each(['x', '0', '-1', '1.5', ''])('refuses %j for what must be 1 or more', (text) => {
  expect(() => positive(text)).toThrow('It must be');
});

it.each([
  ['90 s', 90],
  ['1.5min', 90],
  ['2 h', 7200],
  ['1d', 86_400],
])('reads the duration %s', (text, seconds) => {
  expect(parseSeconds(text)).toBe(seconds);
});

it.each([
  [['a'], [DIGEST], [DIGEST, DIGEST]],
  [
    ['a', 'b'],
    [DIGEST, 'b'.repeat(64)],
    [DIGEST, 'b'.repeat(64)],
  ],
  [[], undefined, [undefined, undefined]],
])(
  'with --keyring %j the repositories are verified each with its own, or all with one',
  async (files, keyrings, found) => {
    const request = await requestOf(
      [
        ...[
          '--repository',
          'http://own.example/apt stable main',
          '--repository',
          'http://mirror.example/debian x main',
        ],
        ...files.flatMap((file) => ['--keyring', file]),
      ],
      { source: { name: 'hello' }, ...(keyrings === undefined ? {} : { keyrings }) },
    );
    expect(checkedRequest(request).repositories?.map(({ keyring }) => keyring)).toEqual(found);
  },
);
