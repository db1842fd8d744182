import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extractionRounds } from './extraction-rounds.ts';
import { type Figure, table } from './table.ts';

export interface Amounts {
  megabytes: number;
  rounds: number;
  /** Files of 4 KiB. */
  small: number;
}
const USUAL: Amounts = { megabytes: 1000, rounds: 5, small: 10_000 };

/**
 * Bytes out of a raw disk through the letter box, beside dd of as many bytes from the same disk to a file of the same
 * filesystem, in turn; the median of five rounds after one that nobody counts. The first two figures are what the bar
 * is about: extraction of one file (which SHA-256 in one thread bounds), and dd.
 */
export async function benchExtraction(amounts: Amounts = USUAL): Promise<Figure[]> {
  const { megabytes, rounds, small } = amounts;
  const folder = await mkdtemp(join(tmpdir(), 'slipway-extraction-'));
  try {
    const work = await extractionRounds(folder, megabytes * 1e6);
    const seconds = new Map<string, number[]>();
    const add = (what: string, value: number) => seconds.set(what, [...(seconds.get(what) ?? []), value]);
    for (let round = 0; round <= rounds; round++) {
      if (round === 1) seconds.clear();
      add('one', await work.extract(1));
      add('dd', await work.dd());
      add('eight', await work.extract(8));
      add('read', await work.read());
      add('hash', await work.hash());
      add('cold', await work.extract(1, { cold: true }));
      add('cold dd', await work.dd({ cold: true }));
      const { extract, upload } = await work.publish(8);
      add('upload', upload);
      add('durable', extract + upload);
      add('durable dd', await work.dd({ durable: true }));
      const unpacked = await work.small(small);
      add('tar', unpacked.tar);
      add('small', unpacked.ours);
    }
    return figures(amounts, (what) => median(seconds.get(what) ?? []));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function figures({ megabytes, small }: Amounts, of: (what: string) => number): Figure[] {
  const speed = (text: string, what: string): Figure => ({
    what: text,
    value: megabytes / of(what),
    unit: 'MB/s',
  });
  const ratio = (text: string, what: string, beside: string): Figure => {
    return { what: text, value: of(beside) / of(what), unit: 'ratio' };
  };
  const amount = `${megabytes} MB`;
  return [
    speed(`extraction of ${amount} in one file, with SHA-256`, 'one'),
    speed(`dd of ${amount} to a file`, 'dd'),
    ratio('extraction of one file / dd', 'one', 'dd'),
    speed(`extraction of ${amount} in eight files, with SHA-256`, 'eight'),
    ratio('extraction of eight files / dd', 'eight', 'dd'),
    speed('dd to /dev/null: a plain read', 'read'),
    speed('SHA-256 alone, in one thread', 'hash'),
    speed('extraction of one file, disk not in memory', 'cold'),
    speed('dd to a file, disk not in memory', 'cold dd'),
    ratio('both so, extraction / dd', 'cold', 'cold dd'),
    speed('upload of eight files after it, durable', 'upload'),
    speed('extraction and upload, durable', 'durable'),
    speed('dd to a file, durable', 'durable dd'),
    ratio('extraction and upload / dd, durable', 'durable', 'durable dd'),
    { what: `extraction of ${small} files of 4 KiB`, value: of('small'), unit: 's' },
    { what: `tar --extract of them`, value: of('tar'), unit: 's' },
  ];
}

function median(numbers: number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

// `node bench/extraction.ts [MEGABYTES [ROUNDS [SMALL FILES]]]`: these figures alone.
if (import.meta.main) {
  const [megabytes = USUAL.megabytes, rounds = USUAL.rounds, small = USUAL.small] = process.argv
    .slice(2)
    .map(Number);
  process.stdout.write(`${table(await benchExtraction({ megabytes, rounds, small }))}\n`);
}
