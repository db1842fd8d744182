import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { putFiles } from '../activities/upload-artifacts.ts';
import { extractArtifacts } from '../extraction/extract.ts';
import { WrittenFiles } from '../extraction/written-files.ts';
import { run } from '../host/run.ts';
import { createDirectoryStore } from '../stores/directory.ts';
import { writeLetterBox } from '../test/support/letter-box.ts';
import { quietly } from './quietly.ts';
import { timed } from './timed.ts';

const NONCE = '0'.repeat(32);

/** What one round of the benchmark does, each in a folder on the same filesystem. Seconds. */
export interface ExtractionRounds {
  bytes: number;
  /** dd to a new file, which is deleted; `durable`: until it is on the disk. */
  dd(options?: { durable?: boolean; cold?: boolean }): Promise<number>;
  /** dd to /dev/null. */
  read(): Promise<number>;
  /** SHA-256 alone, by openssl. */
  hash(): Promise<number>;
  extract(files: number, options?: { cold?: boolean }): Promise<number>;
  /** Extraction, and then the upload into a store on the same filesystem, durable. */
  publish(files: number): Promise<{ extract: number; upload: number }>;
  /** tar of as many files of 4 KiB, unpacked; and the same files extracted. */
  small(files: number): Promise<{ tar: number; ours: number }>;
}

/** @param folder with the room of three times `bytes` */
export async function extractionRounds(folder: string, bytes: number): Promise<ExtractionRounds> {
  const [disk, swap, copy, into] = ['disk', 'swap', 'copy', 'out'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  await dd('/dev/urandom', disk);
  await run(['truncate', '--size', '8M', swap]);
  await run(['sync', disk]);

  async function dd(from: string, to: string, ...more: string[]): Promise<void> {
    const count = ['iflag=count_bytes,fullblock', `count=${bytes}`];
    await run(['dd', `if=${from}`, `of=${to}`, 'bs=1M', ...count, 'status=none', ...more]);
  }
  /** What a step before has written would be written to the disk on the time of the next. */
  const settle = () => run(['sync', '--file-system', folder]);
  /** Nothing of the disk stays in memory. */
  const forget = () => run(['dd', `if=${disk}`, 'iflag=nocache', 'count=0', 'status=none']);

  async function extract(written: WrittenFiles) {
    const limits = { bytes: 2 * bytes, files: 1_000_000 };
    const boot = { phase: 'build', nonce: NONCE } as const;
    return extractArtifacts({ ...boot, disk, swap, limits, into, written, ...quietly() });
  }
  async function prepare(files: number, size = Math.floor(bytes / files / 4096) * 4096): Promise<void> {
    const units = size / 512;
    const list = Array.from(
      { length: files },
      (_, i) => `F 644 ${size} ${i}\nE disk ${i * units} ${units} 0\n`,
    );
    const succeeded = { phase: 'build', nonce: NONCE, result: 'succeeded', command: 0, exit: 0 } as const;
    await writeLetterBox(swap, { ...succeeded, list: list.join('') });
    await rm(into, { recursive: true, force: true });
    await mkdir(into);
  }
  return {
    bytes,
    async dd({ durable = false, cold = false } = {}) {
      if (cold) await forget();
      await settle();
      const seconds = await timed(() => dd(disk, copy, ...(durable ? ['conv=fsync'] : [])));
      await rm(copy);
      return seconds;
    },
    read: () => timed(() => dd(disk, '/dev/null')),
    hash: () => timed(() => run(['openssl', 'dgst', '-sha256', disk])),
    async extract(files, { cold = false } = {}) {
      await prepare(files);
      if (cold) await forget();
      await settle();
      const seconds = await timed(() => extract(new WrittenFiles()));
      await rm(into, { recursive: true });
      return seconds;
    },
    async publish(files) {
      await prepare(files);
      const directory = join(folder, 'store');
      await mkdir(directory);
      const store = createDirectoryStore({ directory });
      await store.putBytes(new Uint8Array());
      const written = new WrittenFiles();
      await settle();
      let artifacts: Awaited<ReturnType<typeof extract>> = [];
      const seconds = await timed(async () => {
        artifacts = await extract(written);
      });
      const upload = await timed(() => putFiles({ store, written }, into, artifacts, quietly()));
      await rm(into, { recursive: true });
      await rm(directory, { recursive: true });
      return { extract: seconds, upload };
    },
    async small(files) {
      await prepare(files, 4096);
      await settle();
      const ours = await timed(() => extract(new WrittenFiles()));
      const archive = join(folder, 'small.tar');
      await run(['tar', '--create', '--file', archive, '--directory', into, '.']);
      await rm(into, { recursive: true });
      await mkdir(into);
      await settle();
      const tar = await timed(() => run(['tar', '--extract', '--file', archive, '--directory', into]));
      await rm(into, { recursive: true });
      await rm(archive);
      return { tar, ours };
    },
  };
}
