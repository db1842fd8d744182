import { statSync } from 'node:fs';
import type { PackageInput } from './package-control.ts';

/** A package whose file is there. */
export interface ReadyPackage {
  file: PackageInput;
  /** Of the .deb file. */
  path: string;
}

/**
 * Packages for several who take one after the other. Files that are yet to come are asked for a few at a time; of these
 * the first to come is given out first.
 */
export class PackageQueue {
  readonly #left: PackageInput[];
  readonly #ahead: number;
  readonly #signal: AbortSignal;
  readonly #coming: Promise<ReadyPackage>[] = [];

  /** @param ahead how many files are asked for at a time */
  constructor(files: readonly PackageInput[], ahead: number, signal: AbortSignal) {
    this.#left = [...files];
    this.#ahead = ahead;
    this.#signal = signal;
  }

  /** @returns undefined when all are given out @throws what a file that is to come fails with; the signal's reason */
  async next(): Promise<ReadyPackage | undefined> {
    this.#signal.throwIfAborted();
    while (this.#coming.length < this.#ahead) {
      const file = this.#left.shift();
      if (file === undefined) break;
      const coming = ready(file, this.#signal);
      // Another one's failure may be heard first.
      coming.catch(() => undefined);
      this.#coming.push(coming);
    }
    if (this.#coming.length === 0) return undefined;
    const first = await Promise.race(this.#coming.map((coming) => coming.then(() => ({ coming }))));
    const index = this.#coming.indexOf(first.coming);
    // Somebody else was quicker.
    if (index < 0) return this.next();
    this.#coming.splice(index, 1);
    return first.coming;
  }
}

export async function ready(file: PackageInput, signal: AbortSignal): Promise<ReadyPackage> {
  return { file, path: typeof file.path === 'string' ? file.path : await file.path(signal) };
}

/** The large ones first: nobody is left alone with one at the end. */
export function largestFirst(files: readonly PackageInput[]): PackageInput[] {
  const size = new Map(files.map((file) => [file, file.size ?? sizeOf(file)]));
  return files.toSorted((a, b) => (size.get(b) ?? 0) - (size.get(a) ?? 0));
}

function sizeOf({ path }: PackageInput): number {
  return typeof path === 'string' ? (statSync(path, { throwIfNoEntry: false })?.size ?? 0) : 0;
}
