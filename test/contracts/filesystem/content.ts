import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { Progress } from '../../../host/progress.ts';
import { run } from '../../../host/run.ts';
import type { FillWay } from '../../../images/filesystem.ts';
import { createSparseFile } from '../../../images/sparse-file.ts';
import { writeOddTree } from '../../support/odd-tree.ts';
import { context, fill, leftOf, onMounted, place, type UnderTest, writeMany } from './under-test.ts';

const MANIFEST = fileURLToPath(new URL('../../support/manifest.ts', import.meta.url));
const MIB = 1024 * 1024;

/** What is on a disk after it was filled. */
export function contentContract(of: UnderTest, way: FillWay): void {
  it('keeps all that a tree is', async () => {
    const at = await place(of.sizeMiB);
    let expected = '';
    await fill(of, way, at, async (tree) => {
      await writeOddTree(tree);
      expected = (await run([process.execPath, MANIFEST, tree])).stdout;
    });
    expect(await onMounted(of, at, [process.execPath, MANIFEST, at.mountPoint], ['ro'])).toBe(expected);
    const capabilities = await onMounted(of, at, ['getcap', join(at.mountPoint, 'capable')]);
    expect(capabilities).toContain('cap_net_raw=ep');
    await expect(stat(at.tree)).rejects.toThrow('ENOENT');
    expect(await leftOf(at)).toEqual([]);
  });

  it('can be written with its mount options', async () => {
    const at = await place(of.sizeMiB);
    await fill(of, way, at, async () => undefined);
    await onMounted(of, at, ['cp', '--', MANIFEST, join(at.mountPoint, 'written')]);
    const read = await onMounted(of, at, ['cat', join(at.mountPoint, 'written')]);
    expect(read).toBe(await readFile(MANIFEST, 'utf8'));
  });

  it('leaves size and mode of the disk, takes only what the tree takes', async () => {
    const at = await place(4096);
    await fill(of, way, at, (tree) => writeFile(join(tree, 'file'), 'x'));
    const { size, mode, blocks } = await stat(at.disk);
    expect(size).toBe(4096 * MIB);
    expect(mode & 0o777).toBe(0o600);
    expect(blocks * 512).toBeLessThan(of.emptyMiB * MIB);
  });

  it.each(['-a b,c=d\n?e=f', '?x', '--help'])('takes the path %j for disk and tree', async (name) => {
    const at = await place(of.sizeMiB, name);
    const odd = { ...at, disk: join(at.folder, `${name}-disk`), tree: join(at.folder, `${name}-tree`) };
    await createSparseFile(odd.disk, of.sizeMiB);
    await fill(of, way, odd, (tree) => writeFile(join(tree, 'file'), 'x'));
    expect(await onMounted(of, odd, ['cat', join(odd.mountPoint, 'file')])).toBe('x');
  });

  it('replaces what was on the disk and in the tree before', async () => {
    const at = await place(of.sizeMiB);
    await mkdir(at.tree);
    await writeFile(join(at.tree, 'of an attempt before'), '');
    await fill(of, way, at, (tree) => writeMany(tree, 20, 1_000_000));
    await fill(of, way, at, (tree) => writeFile(join(tree, 'second'), 'x'));
    const names = await onMounted(of, at, ['ls', at.mountPoint]);
    expect(names.replace('lost+found\n', '')).toBe('second\n');
  });

  it('fills a disk whose room was reserved', async () => {
    const at = await place(of.sizeMiB);
    await rm(at.disk);
    await run(['fallocate', '--length', `${of.sizeMiB}MiB`, at.disk]);
    await fill(of, way, at, (tree) => writeFile(join(tree, 'file'), 'x'));
    expect(await onMounted(of, at, ['cat', join(at.mountPoint, 'file')])).toBe('x');
    if (way === 'copyin') expect((await stat(at.disk)).blocks * 512).toBeGreaterThanOrEqual(of.sizeMiB * MIB);
  });

  it('says DiskFull where a tree does not fit, and what would do', async () => {
    const at = await place(of.sizeMiB);
    const files = of.sizeMiB + 16;
    const unpack = (tree: string) => writeMany(tree, files, MIB);
    const failure = await fill(of, way, at, unpack).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      type: 'DiskFull',
      message: expect.stringContaining(`disk of ${of.sizeMiB} MiB`),
    });
    const advice = (failure as { more: { advice?: string } }).more.advice;
    const advised = Number(/resources\.diskMiB (?:to|above) (\d+)/.exec(advice ?? '')?.[1]);
    expect(advised).toBeGreaterThanOrEqual(of.sizeMiB);
    expect(advised).toBeLessThan(3 * of.sizeMiB + 100);
    expect(await leftOf(at)).toEqual([]);
    if (way === 'mount') return;
    await createSparseFile(at.disk, advised);
    await fill(of, way, at, unpack);
  });

  it('reports how far it is, up to the end', async () => {
    const at = await place(of.sizeMiB);
    const reports: Progress[] = [];
    await fill(of, way, at, (tree) => writeMany(tree, 1, 1_000_000), context(reports));
    if (way === 'mount') return;
    const last = reports.at(-1);
    expect(last?.total).toBeGreaterThanOrEqual(1_000_000);
    expect(last?.done).toBe(last?.total);
  });
}
