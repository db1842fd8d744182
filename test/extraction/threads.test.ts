import { createHash, randomBytes } from 'node:crypto';
import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CopyQueue } from '../../extraction/copy-queue.ts';
import { threadsFor } from '../../extraction/copy-threads.ts';
import { extractArtifacts } from '../../extraction/extract.ts';
import { WrittenFiles } from '../../extraction/written-files.ts';
import type { Progress } from '../../host/progress.ts';
import { run } from '../../host/run.ts';
import { createSparseFile } from '../../images/sparse-file.ts';
import { withMount } from '../support/in-mount-namespace.ts';
import { scratch } from '../support/scratch.ts';
import { handmade } from './guest-disk.ts';

const CHILD = fileURLToPath(new URL('extract-child.ts', import.meta.url));
const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** A list of files of all sizes, in pieces that lie in wrong order on the disk, with holes; and their content. */
function manyFiles(disk: Buffer, sizes: readonly number[]): { list: string; contents: Map<string, Buffer> } {
  const contents = new Map<string, Buffer>();
  let list = 'D 755 d\n';
  for (const [number, size] of sizes.entries()) {
    const content = Buffer.alloc(size);
    list += `F ${number % 2 === 0 ? 644 : 755} ${size} d/${number}\n`;
    const units = Math.ceil(size / 512);
    const piece = Math.max(1, Math.ceil(units / 7));
    for (let at = 0, i = 0; at < units; at += piece, i++) {
      if (i % 3 === 1) continue;
      const count = Math.min(piece, units - at);
      const start = (number * 131 + i * 977) % (disk.length / 512 - count);
      list += `E disk ${start} ${count} ${at}\n`;
      disk.copy(
        content,
        at * 512,
        start * 512,
        Math.min((start + count) * 512, start * 512 + size - at * 512),
      );
    }
    contents.set(`d/${number}`, content);
  }
  return { list: `${list}S s\nT d/0\nH h\nT d/1\n`, contents };
}

const SIZES = [0, 1, 511, 512, 513, 4096, 100_000, MIB, 9 * MIB, 17 * MIB + 5, 33 * MIB];

describe.each([0, 2, 4])('with %i threads', (threads) => {
  it('takes files of every size, in pieces and with holes, in the order of the list', async () => {
    await using folder = await scratch();
    const disk = randomBytes(8 * MIB);
    const { list, contents } = manyFiles(disk, SIZES.concat(Array.from({ length: 300 }, (_, i) => i)));
    const given = await handmade(folder.path, list, disk);
    const reports: Progress[] = [];
    const written = new WrittenFiles();
    const limits = { bytes: 100 * MIB, files: 1000 };
    const report = (progress: Progress) => void reports.push(progress);
    const artifacts = await extractArtifacts({ ...given, limits, report, threads, written });
    expect(artifacts.map(({ path }) => path)).toEqual(['d', ...contents.keys(), 's', 'h']);
    for (const { path, sha256: digest, size, executable } of artifacts.slice(1, -2)) {
      const content = contents.get(path) as Buffer;
      expect([path, size, digest]).toEqual([path, content.length, sha256(content)]);
      const file = join(given.into, path);
      expect((await readFile(file)).equals(content)).toBe(true);
      expect((await lstat(file)).mode & 0o7777).toBe(executable ? 0o700 : 0o600);
      expect(written.digestOf(await stat(file, { bigint: true }))).toBe(digest);
    }
    expect(await readlink(join(given.into, 's'))).toBe('d/0');
    const total = [...contents.values()].reduce((sum, { length }) => sum + length, 0);
    expect(reports.at(-1)).toMatchObject({ done: total, total });
    const { size, blocks } = await stat(join(given.into, 'd/10'));
    expect(blocks * 512).toBeLessThan(size * 0.8);
  });

  it('ends with the reason of an abort and leaves the folder empty', async () => {
    await using folder = await scratch();
    const list = 'D 755 d\nF 644 1000 d/f\nE disk 0 2 0\nF 644 90000000000 hole\n';
    const given = { ...(await handmade(folder.path, list)), limits: { bytes: 1e11, files: 10 }, threads };
    const abort = new AbortController();
    const reason = new Error('told to stop');
    const report = () => setTimeout(() => abort.abort(reason), 20);
    await expect(extractArtifacts({ ...given, signal: abort.signal, report })).rejects.toBe(reason);
    expect(await readdir(given.into)).toEqual([]);
    expect(await openBelow(folder.path)).toEqual([]);
  });

  it('says ScratchFull where the host has no room, and leaves the folder empty', async () => {
    await using folder = await scratch();
    const files = Array.from({ length: 8 }, (_, i) => `F 644 ${9 * MIB} ${i}\nE disk 0 18432 0\n`);
    const given = await handmade(folder.path, files.join(''));
    await createSparseFile(given.disk, 9);
    await run(['dd', 'if=/dev/urandom', `of=${given.disk}`, 'bs=1M', 'count=9', 'status=none']);
    const said = await withMount(
      ['tmpfs', 'size=20M', 'none', given.into],
      [process.execPath, CHILD, given.disk, given.swap, given.into, `${threads}`],
    );
    expect(JSON.parse(said)).toMatchObject({ failure: 'ScratchFull', left: [] });
  });
});

describe('threads', () => {
  it.each([
    ['little', MIB, 10, 0, false],
    ['much, on an idle host', 1000 * MIB, 1, 0, true],
    ['much, on a host that has other work', 1000 * MIB, 1, 1000, false],
    ['many files, whatever the load', MIB, 10_000, 1000, true],
  ])('are for what is worth it: %s', (_, bytes, files, load, expected) => {
    expect(threadsFor(bytes, files, load) > 0).toBe(expected);
  });
});

async function openBelow(folder: string): Promise<string[]> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  return targets.filter((target) => target.startsWith(`${folder}/`));
}

describe('CopyQueue', () => {
  const task = (size: number) => ({
    path: `${size}`,
    size,
    mode: 0o600,
    extents: new Uint8Array(),
    hashedBeside: false,
  });
  it('gives the largest first, and what is small together', () => {
    const queue = new CopyQueue([1, 9 * MIB, 2, 50 * MIB, 3].map(task), 2);
    expect(queue.take(true).numbers).toEqual([3]);
    expect(queue.take(false).numbers).toEqual([1]);
    expect(queue.take(false).numbers).toEqual([0, 2, 4]);
    expect(queue.take(false).numbers).toEqual([]);
  });

  it.each([
    ['alone', [1000], true],
    ['with small ones', [1000, 9, 9, 9, 1], true],
    ['not so large', [31], false],
    ['with one as large', [1000, 900], false],
  ])('has a large file that is %s hashed beside: %o %s', (_, sizes, beside) => {
    const queue = new CopyQueue(
      sizes.map((mib) => task(mib * MIB)),
      2,
    );
    expect(queue.take(true).tasks[0]?.hashedBeside).toBe(beside);
  });
});
