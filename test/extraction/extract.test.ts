import { createHash, randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { extractArtifacts } from '../../extraction/extract.ts';
import { zeroHeader } from '../../extraction/letter-box-header.ts';
import type { Progress } from '../../host/progress.ts';
import { run } from '../../host/run.ts';
import { withMount } from '../support/in-mount-namespace.ts';
import { writeLetterBox } from '../support/letter-box.ts';
import { scratch } from '../support/scratch.ts';
import { BOOT, guestDisk, handmade, NONCE, SUCCEEDED } from './guest-disk.ts';

const MANIFEST = fileURLToPath(new URL('../support/manifest.ts', import.meta.url));
const CHILD = fileURLToPath(new URL('extract-child.ts', import.meta.url));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('extractArtifacts from an ext4', () => {
  it('gives every file as the guest had it', async () => {
    await using folder = await scratch();
    const tree = await writeTree(join(folder.path, 'tree'));
    const guest = await guestDisk(folder.path, tree);
    const piecemeal = /^F 644 \d+ piecemeal\n((?:E .*\n)+)/m.exec(guest.list)?.[1]?.split('\n').length;
    expect(piecemeal).toBeGreaterThan(10);
    const into = join(folder.path, 'into');
    await mkdir(into);
    const artifacts = await extractArtifacts({
      ...BOOT,
      ...guest,
      into,
      limits: { bytes: 100_000_000, files: 1000 },
      signal: new AbortController().signal,
      report: () => {},
    });
    const inGuest = await withMount(guest.mounted, [process.execPath, MANIFEST, guest.mountPoint]);
    const onHost = (await run([process.execPath, MANIFEST, into])).stdout;
    expect(contents(onHost)).toEqual(contents(inGuest));
    expect(artifacts.map(({ path }) => path).sort()).toEqual([...contents(inGuest).keys()].sort());
    for (const artifact of artifacts.filter(({ kind }) => kind === 'file')) {
      const bytes = await readFile(join(into, artifact.path));
      expect([artifact.path, artifact.size, artifact.sha256]).toEqual([
        artifact.path,
        bytes.length,
        sha256(bytes),
      ]);
    }
  });
});

describe('extractArtifacts', () => {
  it('reads disk and swap, fills holes with zeros, cuts at the size', async () => {
    await using folder = await scratch();
    const list = 'D 2755 d\nF 4755 1100 d/f\nE swap 100 1 0\nE disk 3 5 2\nS s\nT d/f\nH h\nT d/f\n';
    const given = await handmade(folder.path, list);
    const content = Buffer.concat([Buffer.alloc(512, 's'), Buffer.alloc(512), Buffer.alloc(76, 'd')]);
    const file = { kind: 'file', size: 1100, sha256: sha256(content), executable: true };
    expect(await extractArtifacts(given)).toEqual([
      { path: 'd', kind: 'directory', size: 0, executable: false },
      { path: 'd/f', ...file },
      { path: 's', kind: 'symlink', size: 0, target: 'd/f', executable: false },
      { path: 'h', ...file },
    ]);
    expect(await readFile(join(given.into, 'd/f'))).toEqual(content);
    expect(await readlink(join(given.into, 's'))).toBe('d/f');
    expect((await stat(join(given.into, 'h'))).ino).toBe((await stat(join(given.into, 'd/f'))).ino);
    expect((await lstat(join(given.into, 'd/f'))).mode & 0o7777).toBe(0o700);
    expect((await lstat(join(given.into, 'd'))).mode & 0o7777).toBe(0o700);
  });

  it('leaves holes as holes', async () => {
    await using folder = await scratch();
    const given = await handmade(folder.path, 'F 644 50000000 f\nE disk 0 8 50000\n');
    await extractArtifacts({ ...given, limits: { bytes: 50_000_000, files: 1 } });
    const { size, blocks } = await stat(join(given.into, 'f'));
    expect(size).toBe(50_000_000);
    expect(blocks * 512).toBeLessThan(100_000);
  });

  it('reads content of any length across its buffers', async () => {
    await using folder = await scratch();
    const content = randomBytes(5 * 1024 * 1024);
    const given = await handmade(folder.path, `F 644 ${content.length - 7} f\nE disk 0 10240 0\n`, content);
    const [artifact] = await extractArtifacts({ ...given, limits: { bytes: content.length, files: 1 } });
    expect(artifact?.sha256).toBe(sha256(content.subarray(0, -7)));
    expect(sha256(await readFile(join(given.into, 'f')))).toBe(artifact?.sha256);
  });

  it('reports bytes up to the end', async () => {
    await using folder = await scratch();
    const reports: Progress[] = [];
    const given = await handmade(folder.path, 'F 644 1000 a\nF 644 2000 b\n');
    await extractArtifacts({ ...given, report: (progress) => void reports.push(progress) });
    expect(reports.at(-1)).toEqual({ what: 'b', done: 3000, total: 3000, unit: 'bytes' });
  });

  it('writes nothing at all where the last line is bad', async () => {
    await using folder = await scratch();
    const given = await handmade(folder.path, 'F 644 10 good\nE disk 0 1 0\nF 644 10 ../bad\n');
    await expect(extractArtifacts(given)).rejects.toMatchObject({ type: 'ArtifactsRejected' });
    expect(await readdir(given.into)).toEqual([]);
    expect((await readdir(folder.path)).sort()).toEqual(['disk', 'into', 'swap']);
  });

  const noStatus: [string, (swap: string) => Promise<unknown>][] = [
    ['was zeroed', (swap) => zeroHeader(swap)],
    ['is of another boot', (swap) => writeLetterBox(swap, { ...SUCCEEDED, nonce: 'f'.repeat(32), list: '' })],
    ['is of another phase', (swap) => writeLetterBox(swap, { ...SUCCEEDED, phase: 'install', list: '' })],
    [
      'says that it failed',
      (swap) => writeLetterBox(swap, { ...SUCCEEDED, result: 'failed', exit: 2, list: '' }),
    ],
    [
      'is not of this list',
      (swap) => run(['dd', 'if=/dev/zero', `of=${swap}`, 'bs=1', 'count=1', 'seek=4097', 'conv=notrunc']),
    ],
    ['claims more than the swap has', (swap) => run(['truncate', '-s', '4100', '--', swap])],
    ['was cut off', (swap) => run(['truncate', '-s', '100', '--', swap])],
  ];
  it.each(noStatus)('says NoStatus where the letter box %s', async (_, spoil) => {
    await using folder = await scratch();
    const given = await handmade(folder.path, 'F 644 10 f\n');
    await spoil(given.swap);
    await expect(extractArtifacts(given)).rejects.toMatchObject({ type: 'NoStatus' });
    expect(await readdir(given.into)).toEqual([]);
  });

  it('refuses a list of more than 64 MiB before it reads it', async () => {
    await using folder = await scratch();
    const given = await handmade(folder.path, '');
    const header = `slipway-letter-box 1\nphase=build\nnonce=${NONCE}\nresult=succeeded\ncommand=0\nexit=0\n`;
    const bytes = Buffer.alloc(512);
    bytes.write(`${header}length=67108865\nsha256=${'0'.repeat(64)}\n`);
    await writeFile(given.swap, bytes, { flag: 'r+' });
    await expect(extractArtifacts(given)).rejects.toMatchObject({ type: 'ArtifactsRejected' });
  });

  it('ends with the reason of an abort and leaves the folder empty', async () => {
    await using folder = await scratch();
    const list = 'D 755 d\nF 644 1000 d/f\nE disk 0 2 0\nS s\nT d\nF 644 900000000 hole\n';
    const given = { ...(await handmade(folder.path, list)), limits: { bytes: 1e9, files: 10 } };
    const abort = new AbortController();
    const reason = new Error('told to stop');
    const report = () => setTimeout(() => abort.abort(reason), 20);
    await expect(extractArtifacts({ ...given, signal: abort.signal, report })).rejects.toBe(reason);
    expect(await readdir(given.into)).toEqual([]);
  });

  it('does not write into a folder that has something in it', async () => {
    await using folder = await scratch();
    const given = await handmade(folder.path, 'F 644 10 f\n');
    await writeFile(join(given.into, 'kept'), 'x');
    await expect(extractArtifacts(given)).rejects.toThrow('must be empty');
    expect(await readdir(given.into)).toEqual(['kept']);
  });

  it('does not follow a symlink to a disk', async () => {
    await using folder = await scratch();
    const given = await handmade(folder.path, 'F 644 10 f\n');
    await symlink('disk', join(folder.path, 'link'));
    const failure = extractArtifacts({ ...given, disk: join(folder.path, 'link') });
    await expect(failure).rejects.toMatchObject({ code: 'ELOOP' });
  });

  it('says ScratchFull where the host has no room, and leaves the folder empty', async () => {
    await using folder = await scratch();
    const content = Buffer.alloc(8 * 1024 * 1024, 'd');
    const given = await handmade(folder.path, `F 644 ${content.length} f\nE disk 0 16384 0\n`, content);
    const said = await withMount(
      ['tmpfs', 'size=2M', 'none', given.into],
      [process.execPath, CHILD, given.disk, given.swap, given.into],
    );
    expect(JSON.parse(said)).toMatchObject({ failure: 'ScratchFull', left: [] });
  });
});

/** Names and contents in a manifest. */
function contents(manifest: string): Map<string, string> {
  const lines = manifest.trim().split('\n');
  return new Map(
    lines.map((line) => JSON.parse(line)).map(({ name, content, sameAs }) => [name, `${content} ${sameAs}`]),
  );
}

async function writeTree(tree: string): Promise<string> {
  await mkdir(join(tree, 'many/deep/er'), { recursive: true });
  for (let i = 0; i < 200; i++) await writeFile(join(tree, `many/${i}`), randomBytes(i * 97));
  await writeFile(join(tree, 'many/deep/er/with space, comma = "quotes"'), 'x');
  await writeFile(join(tree, '-dash'), randomBytes(3_000_000));
  await symlink('deep/../0', join(tree, 'many/link'));
  await run(['ln', join(tree, 'many/7'), join(tree, 'zz-hard-link')]);
  return tree;
}
