import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CorruptFile, ignoreMissing, readJson, writeFileAtomic } from '../../host/atomic-file.ts';

const SUFFIX = '.making';
/** For so long nobody waits for a root that could not be kept, milliseconds. */
const REFUSED_FOR = 600_000;

/** Which lease makes the root of a key. On disk, since that takes many activities and may outlive a worker. */
const MakerRecord = z.strictObject({
  version: z.literal(1),
  lease: z.string(),
  at: z.iso.datetime(),
  refused: z.string().optional().describe('Why the root was not kept when it was made'),
});
type MakerRecord = z.infer<typeof MakerRecord>;

/** What is known of the maker of a root that is not kept. */
export type Maker =
  | { is: 'none' }
  | { is: 'making'; lease: string }
  /** Not long ago; who waited would wait for nothing. */
  | { is: 'refused'; why: string };

/** Who makes which root: records beside the kept ones. Written under the folder's lock. */
export class Makers {
  readonly #folder: string;
  readonly #leaseExists: (id: string) => Promise<boolean>;

  constructor(folder: string, leaseExists: (id: string) => Promise<boolean>) {
    this.#folder = folder;
    this.#leaseExists = leaseExists;
  }

  async of(key: string): Promise<Maker> {
    const record = await this.#read(key);
    if (record === undefined) return { is: 'none' };
    const { lease, at, refused } = record;
    if (refused !== undefined) {
      const age = Date.now() - Date.parse(at);
      return age >= 0 && age < REFUSED_FOR ? { is: 'refused', why: refused } : { is: 'none' };
    }
    return (await this.#leaseExists(lease)) ? { is: 'making', lease } : { is: 'none' };
  }

  /** Whether this lease is the one that makes the root, whatever else is known of the lease. */
  async isMaker(key: string, lease: string): Promise<boolean> {
    const record = await this.#read(key);
    return record?.lease === lease && record.refused === undefined;
  }

  async write(key: string, lease: string, refused?: string): Promise<void> {
    const at = new Date().toISOString();
    const record: MakerRecord = { version: 1, lease, at, ...(refused === undefined ? {} : { refused }) };
    await writeFileAtomic(this.#path(key), `${JSON.stringify(record)}\n`, { mode: 0o600 });
  }

  async remove(key: string): Promise<void> {
    await unlink(this.#path(key)).catch(ignoreMissing);
  }

  /** Keys of the roots that a lease makes. */
  async madeBy(lease: string): Promise<string[]> {
    const found: string[] = [];
    for (const key of await this.#keys()) if (await this.isMaker(key, lease)) found.push(key);
    return found;
  }

  /** Removes the records that mean nothing any more. */
  async sweep(): Promise<void> {
    for (const key of await this.#keys()) if ((await this.of(key)).is === 'none') await this.remove(key);
  }

  async #read(key: string): Promise<MakerRecord | undefined> {
    try {
      return await readJson(this.#path(key), MakerRecord);
    } catch (error) {
      // Whoever it was, others must not wait for him.
      if (error instanceof CorruptFile) return undefined;
      throw error;
    }
  }

  async #keys(): Promise<string[]> {
    const names = (await readdir(this.#folder).catch(ignoreMissing)) ?? [];
    return names.filter((name) => /^[0-9a-f]{64}\.making$/.test(name)).map((name) => name.slice(0, 64));
  }

  #path(key: string): string {
    return join(this.#folder, `${key}${SUFFIX}`);
  }
}
