import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { checkedRequest } from '../../client/client.ts';
import { UsageError } from '../../client/exit-codes.ts';
import { kindOf } from '../../client/recipe-kind.ts';
import { addRequestOptions, type RequestOptions, requestFrom } from '../../client/request-options.ts';
import { uploadsOf } from '../../client/uploads.ts';
import { run } from '../../host/run.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const DIGEST = 'a'.repeat(64);

function optionsOf(argv: readonly string[]): RequestOptions {
  const command = addRequestOptions(
    new Command().exitOverride().configureOutput({ writeErr: () => undefined }),
  );
  return command.parse(['node', 'slipway', ...argv]).opts();
}

/** The recipe that a command line leads to, its files in a store of its own; all defaults applied. */
async function recipeOf(argv: readonly string[], source?: string) {
  const options = optionsOf(argv);
  const store = createDirectoryStore({ directory: await temporaryFolder() });
  await kindOf(options, source);
  const { recipe } = checkedRequest(await requestFrom(options, await uploadsOf(source, options, store)));
  return { recipe, store };
}

async function file(name: string, content: string): Promise<string> {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, content);
  return path;
}

describe('a script', () => {
  it('with sources, packages, an output folder and variables', async () => {
    const script = await file('build.sh', '#!/bin/bash\nmake "ö"\n');
    const source = await file('foo-1.tar.gz', 'tar');
    const url = `https://mirror.example/foo/extra%20one.patch#sha256=${DIGEST.toUpperCase()}`;
    const { recipe, store } = await recipeOf([
      ...['--script', script, '--name', 'foo', '--package-version', '1.0', '--collect', 'build/out'],
      ...['--source', source, '--source', url, '--package', 'gcc', '--package', 'libc6-dev:arm64'],
      ...['--env', 'MODE=fast', '--env', 'EMPTY=', '--env', 'EQUATION=a=b'],
    ]);
    if (recipe.kind !== 'script') throw new Error('another kind');
    expect(recipe).toEqual({
      kind: 'script',
      name: 'foo',
      version: '1.0',
      sources: [
        { name: 'foo-1.tar.gz', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
        { url: 'https://mirror.example/foo/extra%20one.patch', sha256: DIGEST },
      ],
      packages: ['gcc', 'libc6-dev:arm64'],
      script: '#!/bin/bash\nmake "ö"\n',
      output: 'build/out',
      environment: { MODE: 'fast', EMPTY: '', EQUATION: 'a=b' },
    });
    expect(await store.blobSize(recipe.sources[0]?.sha256 ?? '')).toBe(3);
  });

  it('of a request file, with options over it', async () => {
    const request = { recipe: { kind: 'script', name: 'foo', script: 'true', environment: { A: '1' } } };
    const path = await file('request.json', JSON.stringify(request));
    const { recipe } = await recipeOf(['--request', path, '--env', 'B=2', '--package', 'gcc']);
    expect(recipe).toMatchObject({ name: 'foo', packages: ['gcc'], environment: { A: '1', B: '2' } });
  });

  it.each([
    [['--source', 'https://mirror.example/a.tar'], 'says no SHA-256'],
    [['--source', 'https://mirror.example/a.tar#sha256=12'], 'says no SHA-256'],
    [['--source', '/nonexistent/a.tar'], 'a.tar is missing.'],
    [['--env', 'MODE'], '--env "MODE" has no value'],
    [['--env', '=x'], 'has no value'],
    [['--script', '/nonexistent/build.sh'], 'cannot be read'],
    [['--parts', 'all', '--pin', 'x'], '--parts, --pin: not for the build of a script'],
    [['--no-debug-packages'], '--no-debug-packages: not for the build of a script'],
  ])('is refused with %j', async (argv, said) => {
    const script = await file('build.sh', 'true');
    await expect(recipeOf(['--script', script, '--name', 'foo', ...argv])).rejects.toThrow(said);
  });

  it('is refused without a name, with a SOURCE beside it, and where it is no text', async () => {
    const script = await file('build.sh', 'true');
    await expect(recipeOf(['--script', script])).rejects.toThrow('has no name');
    await expect(recipeOf(['--script', script, '--name', 'foo'], 'hello')).rejects.toThrow(
      'SOURCE (hello): not for the build of a script',
    );
    const binary = join(await temporaryFolder(), 'x');
    await writeFile(binary, Buffer.from([0xff, 0xfe]));
    await expect(recipeOf(['--script', binary, '--name', 'foo'])).rejects.toThrow('cannot be read');
  });
});

describe('a Debian package', () => {
  const debianOptions = async (argv: readonly string[]) => {
    const { recipe, store } = await recipeOf(argv, 'hello');
    if (recipe.kind !== 'debian') throw new Error('another kind');
    return { options: recipe.options, store };
  };

  it.each<[string[], object]>([
    [['--cross-for', 'arm64'], { crossFor: 'arm64' }],
    [['--binnmu', '3:Rebuild: now'], { binNmu: { number: 3, text: 'Rebuild: now' }, parts: ['any'] }],
    [
      ['--binnmu', '1:x', '--binnmu-maintainer', 'A B <a@b>', '--binnmu-timestamp', '12'],
      { binNmu: { number: 1, text: 'x', maintainer: 'A B <a@b>', timestamp: 12 } },
    ],
    [
      ['--pin', 'libfoo* version 1.2* 990', '--pin', '* release a=stable, c=main -1'],
      {
        pins: [
          { package: 'libfoo*', pin: 'version 1.2*', priority: 990 },
          { package: '*', pin: 'release a=stable, c=main', priority: -1 },
        ],
      },
    ],
    [['--no-debug-packages'], { debugPackages: false }],
  ])('%j', async (argv, said) => {
    expect((await debianOptions(argv)).options).toMatchObject(said);
  });

  it('says nothing of what is not asked for: the id of the build is that of the plain request', async () => {
    const { options } = await debianOptions([]);
    expect(options).toEqual({
      parts: ['any', 'all'],
      buildOptions: [],
      profiles: [],
      extraPackages: [],
    });
  });

  it('refuses a ccache that is neither a folder nor a tar', async () => {
    const file = join(await temporaryFolder(), 'script.sh');
    await writeFile(file, 'true\n');
    await expect(debianOptions(['--ccache', file])).rejects.toThrow(/neither a folder nor a tar archive/);
  });

  it('with local packages and a ccache folder, which stays as it is and gives the same digest again', async () => {
    const deb = await file('libfoo_1_amd64.deb', 'deb');
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'a/b'), { recursive: true });
    await mkdir(join(folder, 'tmp'));
    await writeFile(join(folder, 'a/b/entryR'), 'object');
    await writeFile(join(folder, 'tmp/half'), 'of this moment');
    const first = await debianOptions(['--local-package', deb, '--ccache', folder]);
    expect(first.options.localPackages).toEqual([
      { name: 'libfoo_1_amd64.deb', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
    const again = await debianOptions(['--ccache', folder]);
    expect(again.options.ccache).toBe(first.options.ccache);
    const tar = await file('seed.tar', '');
    await writeFile(tar, await again.store.readBytes(`${again.options.ccache}`, 1_000_000));
    const { stdout } = await run(['tar', '--list', `--file=${tar}`]);
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(['./a/b/entryR']));
    expect(stdout).not.toContain('half');
    expect((await debianOptions(['--ccache', tar])).options.ccache).toBe(again.options.ccache);
  });

  it.each([
    [['--binnmu', 'text'], 'has no number'],
    [['--binnmu-timestamp', '1'], 'need --binnmu'],
    [['--pin', 'libfoo 990'], "is no record of apt's preferences"],
    [['--local-package', '/nonexistent/x.deb'], 'x.deb is missing.'],
    [['--ccache', '/nonexistent'], 'is no folder and no file'],
    [['--package', 'gcc', '--env', 'A=1'], '--package, --env: not for the build of a Debian package'],
  ])('is refused with %j', async (argv, said) => {
    const error = await debianOptions(argv).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).message).toContain(said);
  });

  it.each([
    [['--cross-for', 'z80'], 'recipe.options.crossFor: '],
    [['--binnmu', '1:x', '--parts', 'any,all'], 'recipe.options.parts: are any, all: a binary-only rebuild'],
    [['--binnmu', '1:two\nlines'], 'recipe.options.binNmu.text: must be one line'],
    [['--pin', 'libfoo version 1'], 'recipe.options.pins[0].pin: must be written as: version'],
    [['--pin', 'libfoo sideways 1 990'], 'recipe.options.pins[0].pin: must be written as: version'],
  ])('%j leads to a request that the check refuses', async (argv, said) => {
    await expect(debianOptions(argv)).rejects.toMatchObject({
      more: { items: [expect.stringContaining(said)] },
    });
  });
});
