import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { run } from '../../host/run.ts';
import { createSparseFile } from '../../images/sparse-file.ts';
import { writeLetterBox } from '../support/letter-box.ts';
import { scratch } from '../support/scratch.ts';
import { SUCCEEDED } from './guest-disk.ts';

const CHILD = fileURLToPath(new URL('extract-child.ts', import.meta.url));
const MIB = 1024 * 1024;

it('extracts a gigabyte in the memory that it takes for nothing', { timeout: 120_000 }, async () => {
  await using folder = await scratch();
  const [disk, swap, into] = ['disk', 'swap', 'into'].map((name) => join(folder.path, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(into);
  await createSparseFile(disk, 600);
  await createSparseFile(swap, 16);
  await fillWithData(disk, 512);
  // 512 MiB of data in 512 pieces, and as much of holes between them.
  const pieces = Array.from({ length: 512 }, (_, i) => `E disk ${i * 2048} 2048 ${i * 4096}\n`);
  await writeLetterBox(swap, { ...SUCCEEDED, list: `F 644 ${1024 * MIB} large\n${pieces.join('')}` });
  const { stdout } = await run([process.execPath, CHILD, disk, swap, into]);
  const said = JSON.parse(stdout);
  expect(said).toMatchObject({ bytes: 1024 * MIB, left: ['large'] });
  expect(said.grown).toBeLessThan(64 * MIB);
  await rm(join(into, 'large'));
  const seconds = await secondsOf(['dd', `if=${disk}`, `of=${into}/dd`, 'bs=1M', 'count=512']);
  const rate = (mib: number, s: number) => `${Math.round(mib / s)} MB/s`;
  console.log(
    `512 MiB of data and 512 MiB of holes: ${rate(1024, said.seconds)}; dd of the data: ${rate(512, seconds)}`,
  );
});

async function fillWithData(path: string, mib: number): Promise<void> {
  await using file = await open(path, 'r+');
  const data = Buffer.alloc(MIB, 'data of a guest ');
  for (let i = 0; i < mib; i++) await file.write(data, 0, MIB, i * MIB);
}

async function secondsOf(argv: readonly [string, ...string[]]): Promise<number> {
  const started = performance.now();
  await run(argv);
  return (performance.now() - started) / 1000;
}
