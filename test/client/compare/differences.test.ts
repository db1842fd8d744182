import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ComparedArtifact } from '../../../client/compare/comparison.ts';
import { type Difference, differences } from '../../../client/compare/differences.ts';
import { findDiffoscope } from '../../../client/compare/diffoscope.ts';
import { openWorkshop, ToolFailed } from '../../../client/compare/workshop.ts';
import { run } from '../../../host/run.ts';
import type { Store } from '../../../stores/store.ts';
import { testStore } from '../../support/build-host.ts';
import { buildDeb, type DebDescription } from '../../support/deb.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const isRoot = process.getuid?.() === 0;

async function artifact(
  store: Store,
  path: string,
  bytes: Uint8Array,
): Promise<NonNullable<ComparedArtifact['first']>> {
  const sha256 = await store.putBytes(bytes);
  return { path, kind: 'file', executable: false, size: bytes.length, sha256 };
}

async function diffsOf(store: Store, pair: ComparedArtifact, program?: string): Promise<Difference[]> {
  const diffs: Difference[] = [];
  for await (const diff of differences(store, [pair], program)) diffs.push(diff);
  return diffs;
}

async function diffOf(
  path: string,
  first: Uint8Array | string,
  second: Uint8Array | string,
  program?: string,
): Promise<Difference> {
  const store = await testStore();
  const [a, b] = await Promise.all([first, second].map((bytes) => artifact(store, path, Buffer.from(bytes))));
  const pair: ComparedArtifact = {
    path,
    verdict: 'differs',
    ...(a && { first: a }),
    ...(b && { second: b }),
  };
  const [diff, ...others] = await diffsOf(store, pair, program);
  expect(others).toEqual([]);
  if (diff === undefined) throw new Error('there is no diff');
  return diff;
}

async function deb(more: Partial<DebDescription>): Promise<Buffer> {
  const folder = await temporaryFolder();
  const { path } = await buildDeb(folder, { package: 'tiny', ...more });
  return readFile(path);
}

describe('our own comparison', () => {
  test('of packages shows control files, the list of files, and contents', async () => {
    const files = {
      '/usr/share/tiny/text': 'one\ntwo\n',
      '/usr/bin/tiny': '\0binary\u0001',
      '/same': 'same',
    };
    const first = await deb({ files, control: { postinst: '#!/bin/sh\ntrue\n' } });
    const second = await deb({
      files: {
        ...files,
        '/usr/share/tiny/text': 'one\n2\n',
        '/usr/bin/tiny': '\0binarx\u0001',
        '/new': { link: 'same' },
      },
      fields: { Depends: 'libc6' },
      control: { postinst: '#!/bin/sh\nfalse\n' },
      prepare: (root) => chmod(join(root, 'same'), 0o600),
    });
    const { by, text } = await diffOf('tiny_1_amd64.deb', first, second);
    expect(by).toBe('slipway');
    expect(text).toMatch(/^\+Depends: libc6$/m);
    expect(text).toMatch(/^-true\n\+false$/m);
    expect(text).toMatch(/^-two\n\+2$/m);
    expect(text).toMatch(/^-{1}-rw-r--r-- root\/root 4 2001-09-09T01:46:40Z \.\/same sha256:[0-9a-f]{64}$/m);
    expect(text).toMatch(/^\+-rw------- root\/root 4 2001-09-09T01:46:40Z \.\/same sha256:/m);
    expect(text).toMatch(/^\+lrwxrwxrwx root\/root 0 \S+ \.\/new -> same$/m);
    expect(text).toContain('./usr/bin/tiny: first difference at byte 6\n-79 01 ');
    expect(text).not.toContain(tmpdir());
  });

  test('of packages with the same content says that only the archive differs', async () => {
    const folder = await temporaryFolder();
    const { path } = await buildDeb(folder, { package: 'tiny', files: { '/a': 'a'.repeat(5000) } });
    const members = ['debian-binary', 'control.tar', 'data.tar.gz'];
    await run(['ar', 'x', path], { cwd: folder });
    await run(['gzip', '--no-name', 'data.tar'], { cwd: folder });
    await run(['ar', 'rcD', 'other.deb', ...members], { cwd: folder });
    const { text } = await diffOf('a.deb', await readFile(path), await readFile(join(folder, 'other.deb')));
    expect(text).toMatch(
      /^the same content: only the archive itself differs.*\nfirst difference at byte \d+/,
    );
  });

  test('of what is called a package and is none', async () => {
    const { text } = await diffOf('a.deb', 'one\n', 'two\n');
    expect(text).toMatch(/^the packages could not be looked into: dpkg-deb failed with exit code 2: /);
    expect(text).toMatch(/^-one\n\+two$/m);
  });

  test.each<[string, string, Uint8Array | string, Uint8Array | string, RegExp]>([
    [
      'texts',
      'a.txt',
      'a\nb\nc\n',
      'a\nx\nc\n',
      /^--- first\/a.txt\n\+\+\+ second\/a.txt\n@@ .*\n a\n-b\n\+x\n c\n$/,
    ],
    ['bytes', 'a.bin', '\0\0\u0001', '\0\0\u0002', /^first difference at byte 2\n-01 +\|\.\|\n\+02 /],
    ['a longer one', 'a.bin', '\0', '\0\0', /^the first 1 bytes are the same; 1 bytes became 2\n$/],
    ['one that is empty', 'a.bin', '', '\0', /^the first 0 bytes are the same/],
    ['a folder in its name', 'sub/../a.txt', 'a\n', 'b\n', /^--- first\/a.txt\n/],
    ['a name that looks like an option', '--help', 'a\n', 'b\n', /^--- first\/--help\n/],
    [
      'a difference far inside',
      'a.bin',
      Buffer.concat([Buffer.alloc(3 << 20), Buffer.from('x')]),
      Buffer.concat([Buffer.alloc(3 << 20), Buffer.from('y')]),
      /^first difference at byte 3145728\n/,
    ],
  ])('of %s', async (_, path, first, second, text) => {
    expect((await diffOf(path, first, second)).text).toMatch(text);
  });

  test('is cut where it is long', async () => {
    const lines = (word: string) => Array.from({ length: 30_000 }, (_, at) => `${word} ${at}\n`).join('');
    const diff = await diffOf('a.txt', lines('one'), lines('two'));
    expect(diff.isCut).toBe(true);
    expect(diff.text.length).toBe(256 * 1024);
  });

  test('of what the store no longer has says so', async () => {
    const store = await testStore();
    const first = await artifact(store, 'a', Buffer.from('a'));
    const second = { ...first, sha256: 'b'.repeat(64) };
    const pair: ComparedArtifact = { path: 'a', verdict: 'differs', first, second };
    const [diff] = await diffsOf(store, pair);
    expect(diff?.text).toMatch(/^no longer in the store: .*b{64}/);
  });
});

async function program(script: string): Promise<string> {
  const folder = await temporaryFolder();
  await chmod(folder, 0o755);
  const path = join(folder, 'diffoscope');
  await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

describe('diffoscope', () => {
  test('itself says what differs within packages, and within archives in them', async () => {
    const packed = async (text: string) => {
      const prepare = async (root: string) => {
        await writeFile(join(root, 'text'), text);
        await run(['tar', '--mtime=@0', '-C', root, '-cf', join(root, 'inner.tar'), 'text']);
        await rm(join(root, 'text'));
      };
      return deb({ prepare });
    };
    const diff = await diffOf(
      'tiny_1_all.deb',
      await packed('one\n'),
      await packed('two\n'),
      await findDiffoscope(),
    );
    expect(diff.by).toBe('diffoscope');
    expect(diff.text).toMatch(/^--- first\/tiny_1_all.deb\n\+\+\+ second\/tiny_1_all.deb\n/);
    expect(diff.text).toMatch(/\.\/inner\.tar\n[\s\S]*text\n[\s\S]*-one\n.*\+two\n/);
  });

  test('gets both files under their own names, and its text is what is shown', async () => {
    const path = await program('shift 9; printf "%s\\n" "$@"; cat "$2" "$3"; exit 1');
    const { by, text } = await diffOf('a.txt', 'one\n', 'two\n', path);
    expect(by).toBe('diffoscope');
    expect(text).toBe('--\nfirst/a.txt\nsecond/a.txt\none\ntwo\n');
  });

  test.each([
    [
      'fails',
      'echo broken >&2; exit 2',
      /^diffoscope could not be used: .*diffoscope failed with exit code 2: broken\n/,
    ],
    ['finds nothing', 'exit 0', /^--- first/],
    ['is killed', 'kill -9 $$', /^diffoscope could not be used: /],
  ])('that %s: our own comparison', async (_, script, said) => {
    const { by, text } = await diffOf('a.txt', 'one\n', 'two\n', await program(script));
    expect(by).toBe('slipway');
    expect(text).toMatch(said);
    expect(text).toMatch(/^-one\n\+two$/m);
  });
});

describe('a program over what a build made', () => {
  test('has no right that its user has not, and none of root’s', async () => {
    await using workshop = await openWorkshop();
    const { stdout } = await workshop.run(['cat', '/proc/self/status'], { seconds: 10 });
    expect(stdout).toMatch(/^NoNewPrivs:\s1$/m);
    if (!isRoot) return;
    expect(stdout).toMatch(/^Uid:\s65534\s65534\s65534\s65534$/m);
    expect(stdout).toMatch(/^Groups:\s*$/m);
    expect(stdout).toMatch(/^CapBnd:\s0{16}$/m);
  });

  test('cannot write beside its own folder, and what it leaves there goes', async () => {
    const before = await workshopsLeft();
    await using workshop = await openWorkshop();
    const file = join(workshop.folder, 'file');
    await writeFile(file, 'text');
    await workshop.show(file);
    const script =
      'mkdir -p "$TMPDIR/a/b" && : >"$TMPDIR/a/b/c" && chmod 0 "$TMPDIR/a/b" && cat "$1" && : >"$1"';
    const failed = await workshop
      .run(['sh', '-c', script, 'sh', file], { seconds: 10 })
      .catch((error) => error);
    if (isRoot) expect(failed).toBeInstanceOf(ToolFailed);
    expect(await readFile(file, 'utf8')).toBe(isRoot ? 'text' : '');
    await workshop[Symbol.asyncDispose]();
    expect(await workshopsLeft()).toEqual(before);
  });

  test('is stopped after its time, with its children', async () => {
    await using workshop = await openWorkshop();
    const folder = await temporaryFolder();
    await chmod(folder, 0o777);
    const script = '(sleep 3; : >"$1/late") & sleep 60';
    await expect(workshop.run(['sh', '-c', script, 'sh', folder], { seconds: 1 })).rejects.toThrow(
      'sh was stopped after 1 s',
    );
    await new Promise((settle) => setTimeout(settle, 3000));
    expect(await readdir(folder)).toEqual([]);
  });

  test.each([
    ['memory', ['perl', '-e', 'my $x = "x" x (5 << 30)'], /perl failed with exit code/],
    ['a missing program', ['no-such-program'], /^no-such-program is not installed$/],
  ])('%s has an end', async (_, argv, message) => {
    await using workshop = await openWorkshop();
    await expect(workshop.run(argv, { seconds: 20 })).rejects.toThrow(message);
  });
});

async function workshopsLeft(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('slipway-compare-'));
}
