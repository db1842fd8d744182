import { randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../../../host/run.ts';
import { readDeb } from '../../../../recipes/debian/build-root/deb-file.ts';
import { plainPackages } from '../../../../recipes/debian/build-root/hand-in.ts';
import { buildDeb } from '../../../support/deb.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const never = new AbortController().signal;

/** Programs that compress, by the name that deb(5) gives to what they make. */
const COMPRESSIONS: Record<string, readonly [string, ...string[]]> = {
  '': ['cat'],
  '.gz': ['gzip'],
  '.xz': ['xz'],
  '.zst': ['zstd', '-q'],
  '.lzma': ['xz', '--format=lzma'],
};

/** A package put together by hand, with its archives compressed so; and what it has in them. */
async function assemble(folder: string, control: string, data: string, more: string[] = []) {
  const { path } = await buildDeb(folder, {
    package: 'tool',
    files: { '/usr/share/tool': randomBytes(150_000).toString('hex') },
  });
  const parts = await mkdtemp(join(folder, 'parts-'));
  const archives = { control: join(parts, 'control'), data: join(parts, 'data') };
  await run(['dpkg-deb', '--ctrl-tarfile', path], { stdout: { file: archives.control } });
  await run(['dpkg-deb', '--fsys-tarfile', path], { stdout: { file: archives.data } });
  const content = Buffer.concat([await readFile(archives.control), await readFile(archives.data)]);
  const compress = async (of: 'control' | 'data', compression: string) => {
    const name = `${of}.tar${compression}`;
    const input = await readFile(archives[of]);
    await run(COMPRESSIONS[compression] ?? ['cat'], { input, stdout: { file: join(parts, name) } });
    return name;
  };
  await writeFile(join(parts, 'debian-binary'), '2.0\n');
  for (const name of more) await writeFile(join(parts, name), 'odd');
  const names = [...more, await compress('control', control), await compress('data', data)];
  const deb = join(parts, 'tool.deb');
  await run(['ar', 'rc', deb, 'debian-binary', ...names], { cwd: parts });
  return { deb, content };
}

async function read(path: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await readDeb(path, (piece) => void pieces.push(piece), never);
  return Buffer.concat(pieces);
}

const kinds = ['', '.gz', '.xz', '.zst'];
const pairs = [
  ...kinds.map((kind) => [kind, kind]),
  ['.gz', '.lzma'],
  ['.gz', '.xz'],
  ['', '.zst'],
  ['.xz', ''],
] as [string, string][];

test.each(pairs)('both archives are read, compressed as "%s" and "%s"', async (control, data) => {
  const { deb, content } = await assemble(await temporaryFolder(), control, data);
  expect((await read(deb)).equals(content)).toBe(true);
});

test('a member for other programs is passed over', async () => {
  const { deb, content } = await assemble(await temporaryFolder(), '.xz', '.xz', ['_other']);
  expect((await read(deb)).equals(content)).toBe(true);
});

test('what takes the pieces is waited for, and its failure ends the reading', async () => {
  const { deb } = await assemble(await temporaryFolder(), '.gz', '.gz');
  let busy = 0;
  await readDeb(
    deb,
    async () => {
      busy += 1;
      expect(busy).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      busy -= 1;
    },
    never,
  );
  const fail = () => {
    throw new Error('enough');
  };
  await expect(readDeb(deb, fail, never)).rejects.toThrow('enough');
  await expect(readDeb(deb, async () => fail(), never)).rejects.toThrow('enough');
  await expect(readDeb(deb, () => undefined, AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
});

describe('refused', () => {
  const DAMAGE: [what: string, damage: (bytes: Buffer) => Buffer, why: string][] = [
    ['nothing', () => Buffer.alloc(0), 'it is cut off'],
    ['no archive', (bytes) => Buffer.concat([Buffer.from('junk'), bytes]), 'it is no Debian package'],
    [
      'one that is cut off',
      (bytes) => bytes.subarray(0, bytes.length - 5000),
      'it is cut off, or its members',
    ],
    ['one of another format', (bytes) => bytes.fill('3', 68, 69), 'it has no control.tar and data.tar'],
    ['one without data', (bytes) => bytes.subarray(0, 8 + 60 + 4), 'it has no control.tar and data.tar'],
    ['a damaged compression', (bytes) => bytes.fill(0x55, bytes.length - 400), 'zstd failed'],
    ['an unknown compression', (bytes) => swap(bytes, 'data.tar.xz', 'data.tar.br'), 'compressed as .br'],
  ];
  test.each(DAMAGE)('%s', async (_, damage, why) => {
    const { deb } = await assemble(await temporaryFolder(), '.xz', '.xz');
    await writeFile(deb, damage(await readFile(deb)));
    await expect(read(deb)).rejects.toThrow(why);
  });
});

function swap(bytes: Buffer, from: string, to: string): Buffer {
  bytes.write(to, bytes.indexOf(from), 'latin1');
  return bytes;
}

describe('packages to hand in', () => {
  test.each(pairs)('are the same to dpkg, decompressed ("%s", "%s")', async (control, data) => {
    const folder = await temporaryFolder();
    const { deb, content } = await assemble(folder, control, data);
    const file = { path: deb, package: 'tool', version: '1.0', architecture: 'all' };
    const reports: unknown[] = [];
    const context = { signal: never, report: (progress: unknown) => reports.push(progress) };
    const [plain] = await plainPackages([file], folder, context);
    expect(plain).toEqual({ path: join(folder, 'tool_all.deb'), name: 'tool_all.deb' });
    expect(reports).toEqual([{ what: 'tool', done: 1, total: 1, unit: 'packages' }]);
    const path = plain?.path ?? '';
    expect((await run(['ar', 't', path])).stdout).toBe('debian-binary\ncontrol.tar\ndata.tar\n');
    expect((await read(path)).equals(content)).toBe(true);
    for (const question of ['--field', '--contents'] as const) {
      const ask = async (of: string) => (await run(['dpkg-deb', question, of])).stdout;
      expect(await ask(path)).toBe(await ask(deb));
    }
  });

  test('one that is none is named', async () => {
    const folder = await temporaryFolder();
    await appendFile(join(folder, 'junk'), 'junk');
    const file = { path: join(folder, 'junk'), package: 'junk', version: '1.0', architecture: 'all' };
    await expect(plainPackages([file], folder, { signal: never, report: () => {} })).rejects.toMatchObject({
      type: 'InputRejected',
      more: { items: ['junk'] },
    });
  });
});
