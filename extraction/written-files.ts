import type { BigIntStats } from 'node:fs';
import type { Digest } from '../schema/digest.ts';

/** Which file it is, and that nobody changed it since: the kernel alone sets `ctimeNs`, at every change. */
export interface FileIdentity {
  dev: bigint;
  ino: bigint;
  ctimeNs: bigint;
}

/** Files of which no more than these are remembered: the oldest are forgotten, and then read once more. */
const MOST = 20_000;

/**
 * The digests of files that this process wrote and hashed: what nobody changed since need not be read again. In memory
 * alone, because after the host lost its power a file may not be on the disk as it was written.
 */
export class WrittenFiles {
  readonly #known = new Map<string, { ctimeNs: bigint; digest: Digest }>();

  remember({ dev, ino, ctimeNs }: FileIdentity, digest: Digest): void {
    const key = `${dev}:${ino}`;
    this.#known.delete(key);
    this.#known.set(key, { ctimeNs, digest });
    const [oldest] = this.#known.keys();
    if (this.#known.size > MOST && oldest !== undefined) this.#known.delete(oldest);
  }

  /** Undefined where this process did not write it or somebody changed it since. */
  digestOf({ dev, ino, ctimeNs }: Pick<BigIntStats, keyof FileIdentity>): Digest | undefined {
    const found = this.#known.get(`${dev}:${ino}`);
    return found?.ctimeNs === ctimeNs ? found.digest : undefined;
  }
}
