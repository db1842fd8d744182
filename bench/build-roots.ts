import { randomFillSync } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../host/run.ts';
import { createBuildRoots } from '../images/build-roots/kept-roots.ts';
import { createSparseFile } from '../images/sparse-file.ts';
import { quietly } from './quietly.ts';
import { type Figure, table } from './table.ts';

const MIB = 1024 ** 2;
const DISK_MIB = 8192;
/** Of data, in four places of the disk. */
const DATA_MIB = 500;
const ROUNDS = 7;
const KEY = 'ab'.repeat(32);

/**
 * A kept build root laid on a disk, each byte verified, beside `cp --sparse=always` of the same file, in turn, all in the
 * page cache; and keeping it, durable, beside cp and sync. The median of some rounds after one that nobody counts.
 */
export async function benchBuildRoots(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
  const [source, target, directory] = ['source', 'target', 'roots'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const roots = createBuildRoots({
    ...{ directory, maxBytes: 2 ** 34, leastFreeBytes: 0 },
    ...{ leaseExists: async () => true, warn: console.error },
  });
  const rounds: Record<'take' | 'cp' | 'keep' | 'cpSync', number[]> = {
    take: [],
    cp: [],
    keep: [],
    cpSync: [],
  };
  try {
    await fill(source);
    for (let round = 0; round <= ROUNDS; round++) {
      await rm(directory, { recursive: true, force: true });
      await createSparseFile(target, DISK_MIB);
      await roots.take(KEY, 'bench', target, quietly());
      const keep = await seconds(() => roots.keep(KEY, 'bench', source, { what: 'bench' }, quietly()));
      await rm(target);
      const cpSync = await seconds(async () => {
        await cp(source, target);
        await run(['sync', target]);
      });
      await createSparseFile(target, DISK_MIB);
      const take = await seconds(() => roots.take(KEY, 'bench', target, quietly()));
      await rm(target);
      const plain = await seconds(() => cp(join(directory, KEY, 'disk'), target));
      if (round > 0)
        for (const [what, value] of Object.entries({ take, cp: plain, keep, cpSync }))
          rounds[what as 'take'].push(value);
    }
    return figures(rounds);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function cp(from: string, to: string): Promise<void> {
  await run(['cp', '--sparse=always', '--reflink=never', '--', from, to]);
}

async function fill(path: string): Promise<void> {
  await createSparseFile(path, DISK_MIB);
  await using file = await open(path, 'r+');
  const piece = Buffer.alloc(MIB);
  for (let at = 0; at < DATA_MIB; at++) {
    const place = (at % 4) * (DISK_MIB / 4) + Math.floor(at / 4);
    await file.write(randomFillSync(piece), 0, MIB, place * MIB);
  }
  await file.sync();
}

function figures(rounds: Record<'take' | 'cp' | 'keep' | 'cpSync', number[]>): Figure[] {
  const of = (what: keyof typeof rounds) =>
    rounds[what].toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
  const least = (what: keyof typeof rounds) => Math.min(...rounds[what]);
  const amount = `${DATA_MIB} MiB of a disk of ${DISK_MIB / 1024} GiB`;
  return [
    { what: `a kept root, ${amount}, copied and verified`, value: of('take'), unit: 's' },
    { what: 'the same, the fastest', value: least('take'), unit: 's' },
    { what: 'cp --sparse=always', value: of('cp'), unit: 's' },
    { what: 'the same, the fastest', value: least('cp'), unit: 's' },
    { what: 'copied and verified / cp', value: of('take') / of('cp'), unit: 'ratio' },
    { what: 'the fastest / the fastest', value: least('take') / least('cp'), unit: 'ratio' },
    { what: `kept, digested and durable`, value: of('keep'), unit: 's' },
    { what: 'cp --sparse=always and sync', value: of('cpSync'), unit: 's' },
  ];
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work();
  return (performance.now() - since) / 1000;
}

if (import.meta.main) {
  const found = await benchBuildRoots();
  process.stdout.write(
    `${table(found)}\nload ${loadavg()[0]?.toFixed(1)}, peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`,
  );
}
