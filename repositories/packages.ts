import { SlipwayFailure } from '../schema/failures.ts';
import type { InputFile, LockedPackage } from '../schema/lock.ts';
import type { AptRepository } from './apt-repository.ts';

/** Lines of apt's `--print-uris`: `'<url>' <file> <bytes> SHA256:<digest>`. */
const LINE = /^'([^']+)' (\S+) (\d+)(?: (\S*))?$/gm;

/**
 * Files out of the output of an apt command with `--print-uris`.
 * @throws SlipwayFailure InputRejected where a repository has no SHA-256 for one of them
 */
export function printedFiles(stdout: string, mirrors: Mirrors): InputFile[] {
  return [...stdout.matchAll(LINE)].map(([, url = '', name = '', size = '', hash = '']) => {
    const sha256 = /^SHA256:([0-9a-f]{64})$/i.exec(hash)?.[1]?.toLowerCase();
    if (sha256 === undefined) {
      throw new SlipwayFailure('InputRejected', `the repository has no SHA-256 for ${url}`, {
        items: [name],
      });
    }
    return { name, urls: mirrors(url), size: Number(size), sha256 };
  });
}

/** Binary packages out of the same, sorted by package name and architecture. */
export function printedPackages(stdout: string, mirrors: Mirrors): LockedPackage[] {
  return printedFiles(stdout, mirrors).map(lockedPackage).sort(byName);
}

/** apt names a package's file `<package>_<version>_<architecture>.deb` and escapes `:` and `_` inside of each. */
function lockedPackage(file: InputFile): LockedPackage {
  const [name = '', version = '', architecture = ''] = file.name
    .replace(/\.deb$/, '')
    .split('_')
    .map(decodeURIComponent);
  return { ...file, package: name, version, architecture };
}

function byName(a: LockedPackage, b: LockedPackage): number {
  return key(a) < key(b) ? -1 : 1;
}

function key({ package: name, architecture }: LockedPackage): string {
  return `${name} ${architecture}`;
}

/** All URLs under which a file may be found, the given one first. */
export type Mirrors = (url: string) => string[];

/** The URIs of one repository hold the same files: where one of them fails, another may do. */
export function mirrorsOf(repositories: readonly Pick<AptRepository, 'uris'>[]): Mirrors {
  return (url) => {
    for (const { uris } of repositories) {
      const bases = uris.map((uri) => new URL(uri).href.replace(/\/*$/, '/'));
      const base = bases.find((candidate) => url.startsWith(candidate));
      if (base === undefined) continue;
      const others = bases.filter((other) => other !== base);
      return [url, ...others.map((other) => other + url.slice(base.length))];
    }
    return [url];
  };
}
