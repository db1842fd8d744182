import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extractArtifacts } from '../extraction/extract.ts';
import { run } from '../host/run.ts';
import { writeLetterBox } from '../test/support/letter-box.ts';
import { quietly } from './quietly.ts';
import type { Figure } from './table.ts';
import { timed } from './timed.ts';

const MEGABYTES = 1000;
const ROUNDS = 3;

/** Bytes out of a raw disk through the letter box, beside dd of as many bytes, in turn; the median of each. */
export async function benchExtraction(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
  try {
    const [disk, swap, copy] = ['disk', 'swap', 'copy'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await dd('/dev/urandom', disk);
    await run(['truncate', '--size', '8M', swap]);
    const nonce = '0'.repeat(32);
    const units = (MEGABYTES * 1e6) / 512;
    await writeLetterBox(swap, {
      phase: 'build',
      nonce,
      result: 'succeeded',
      command: 0,
      exit: 0,
      list: `F 644 ${MEGABYTES * 1e6} file\nE disk 0 ${units} 0\n`,
    });
    const seconds = { ours: [] as number[], dd: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      seconds.dd.push(await timed(() => dd(disk, copy)));
      await rm(copy);
      const into = join(folder, 'out');
      await mkdir(into);
      const limits = { bytes: 2e9, files: 10 };
      const boot = { phase: 'build', nonce } as const;
      seconds.ours.push(
        await timed(() => extractArtifacts({ ...boot, disk, swap, limits, into, ...quietly() })),
      );
      await rm(into, { recursive: true });
    }
    const [ours, plain] = [MEGABYTES / median(seconds.ours), MEGABYTES / median(seconds.dd)];
    return [
      { what: `extraction of ${MEGABYTES} MB with SHA-256`, value: ours, unit: 'MB/s' },
      { what: `dd of ${MEGABYTES} MB`, value: plain, unit: 'MB/s' },
      { what: 'extraction / dd', value: ours / plain, unit: 'ratio' },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function dd(from: string, to: string): Promise<void> {
  await run([
    'dd',
    `if=${from}`,
    `of=${to}`,
    'bs=1000000',
    `count=${MEGABYTES}`,
    'iflag=fullblock',
    'status=none',
  ]);
}

function median(numbers: number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}
