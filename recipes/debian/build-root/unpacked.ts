import { createHash, type Hash } from 'node:crypto';
import type { PackageControl } from './package-control.ts';
import { MERGED } from './skeleton.ts';
import type { TarMember } from './tar-reader.ts';

/** A member of a package's archive of files. */
export interface Entry {
  /** Absolute, without a slash at the end; the root is `/.`, as in dpkg's lists. A character a byte. */
  path: string;
  member: TarMember;
}

/** What a package brought into the tree. */
export interface Unpacked {
  control: PackageControl;
  entries: readonly Entry[];
  /** Of its files by path, as far as dpkg's database needs them. */
  md5: ReadonlyMap<string, string>;
}

/**
 * `./usr/` → `/usr`, `./` → `/.`
 * @throws SyntaxError for a name that leads out of the root, or that dpkg does not take
 */
export function toPath(name: string): string {
  const path = name.replace(/^\.\//, '').replace(/\/+$/, '');
  if (path === '' || path === '.') return '/.';
  if (path.startsWith('/') || path.split('/').includes('..') || path.includes('\n'))
    throw new SyntaxError(`${JSON.stringify(name)} in it is no name of a file of a package`);
  return `/${path}`;
}

const ALIAS = new RegExp(`^/(?=(?:${MERGED.join('|')})/)`);

/** Where a path really lies: `/bin/x` is `/usr/bin/x`. */
export function placeOf(path: string): string {
  return path.replace(ALIAS, '/usr/');
}

/**
 * Sums what dpkg sums when it unpacks: the conffiles of every package, and all other files of one that brings no list of
 * them. In the same pass: nothing is read again.
 */
export class Sums {
  readonly #wanted: (path: string) => boolean;
  readonly #hashes: [path: string, hash: Hash][] = [];
  readonly #links: [path: string, target: string][] = [];

  constructor({ members, conffiles }: PackageControl) {
    const paths = new Set(conffiles.map(({ path }) => path));
    this.#wanted = members.has('md5sums') ? (path) => paths.has(path) : () => true;
  }

  /** @returns what gets the content, if it is summed */
  of({ path, member }: Entry): ((bytes: Buffer) => void) | undefined {
    if (!this.#wanted(path)) return undefined;
    if (member.kind === 'hard link') this.#links.push([path, toPath(member.target)]);
    if (member.kind !== 'file') return undefined;
    const hash = createHash('md5');
    this.#hashes.push([path, hash]);
    return (bytes) => void hash.update(bytes);
  }

  /** All files have come. */
  end(): Map<string, string> {
    const sums = new Map(this.#hashes.map(([path, hash]) => [path, hash.digest('hex')]));
    for (const [path, target] of this.#links) {
      const sum = sums.get(target);
      if (sum !== undefined) sums.set(path, sum);
    }
    return sums;
  }
}
