import type { LockedPackage } from '../schema/lock.ts';
import { packageId } from '../schema/lock.ts';
import type { AptRoot } from './apt-root.ts';
import { type Paragraph, readParagraphs } from './deb822.ts';

/** What of a package brings others with it when it is installed. */
const BRINGS = ['pre-depends', 'depends'] as const;

/**
 * Of the dependencies of a build, those that many builds have too: the named ones that are among them, and all that these
 * depend on. So they can be installed with the base, and without the others.
 * @returns ids (`packageId`), sorted
 */
export async function sharedPackages(
  names: readonly string[],
  dependencies: readonly LockedPackage[],
  root: AptRoot,
  signal: AbortSignal,
): Promise<string[]> {
  if (!dependencies.some((entry) => names.includes(entry.package))) return [];
  const wanted = dependencies.map(
    ({ package: name, architecture, version }) =>
      `${name}${architecture === 'all' ? '' : `:${architecture}`}=${version}`,
  );
  const { stdout } = await root.run(['apt-cache', 'show', '--no-all-versions', ...wanted], { signal });
  return closure(names, readParagraphs(stdout));
}

/** Alternatives all count, and versions do not: rather one package too many than one too few. */
export function closure(names: readonly string[], paragraphs: readonly Paragraph[]): string[] {
  const providers = new Map<string, Paragraph[]>();
  for (const paragraph of paragraphs) {
    for (const name of [paragraph.get('package') ?? '', ...relationNames(paragraph.get('provides'))]) {
      providers.set(name, [...(providers.get(name) ?? []), paragraph]);
    }
  }
  const found = new Set<Paragraph>();
  const open = [...names];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    for (const paragraph of providers.get(name) ?? []) {
      if (found.has(paragraph)) continue;
      found.add(paragraph);
      for (const field of BRINGS) open.push(...relationNames(paragraph.get(field)));
    }
  }
  return [...found].map(idOf).sort();
}

/** Names in a relation field: `a (>= 1) | b:any, c [amd64]`. */
function relationNames(field = ''): string[] {
  return field
    .split(/[,|]/)
    .map((relation) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(relation)?.[1] ?? '')
    .filter((name) => name !== '');
}

function idOf(paragraph: Paragraph): string {
  return packageId({
    package: paragraph.get('package') ?? '',
    architecture: paragraph.get('architecture') ?? '',
  });
}
