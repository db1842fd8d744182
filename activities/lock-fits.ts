import type { Wanted, WantedFile } from '../recipes/recipe.ts';
import type { Lock } from '../schema/lock.ts';
import type { BuildRequest } from '../schema/request.ts';

/** What of a lock is not what the request asks for, as far as it says. */
export function unfit(
  { architecture, source, files = [] }: Lock,
  request: BuildRequest,
  wanted: Wanted,
): string[] {
  const wrong: string[] = [];
  if (architecture !== request.architecture) {
    wrong.push(`is for ${architecture}, the request is for ${request.architecture}`);
  }
  wrong.push(...(wanted.source.kind === 'debian' ? unfitDebian(source, wanted.source.from) : []));
  if (wanted.source.kind === 'files') {
    const { name, version } = wanted.source;
    if (source.dsc !== undefined) wrong.push('is of a Debian source package, the request is of a script');
    if (source.name !== name) wrong.push(otherThan(source, `builds ${name}`));
    else if (source.version !== version) wrong.push(otherThan(source, `builds version ${version}`));
    wrong.push(...otherFiles(source.files, wanted.source.files, 'sources'));
  }
  return [...wrong, ...otherFiles(files, wanted.files, 'files beside the source')];
}

type WantedDebian = Extract<Wanted['source'], { kind: 'debian' }>['from'];

function unfitDebian(source: Lock['source'], from: WantedDebian): string[] {
  const { dsc } = source;
  if (dsc === undefined) return ['is of a script, the request is of a Debian source package'];
  if ('name' in from) {
    if (source.name !== from.name) return [otherThan(source, `names ${from.name}`)];
    const isOther = from.version !== undefined && from.version !== source.version;
    return isOther ? [otherThan(source, `names version ${from.version}`)] : [];
  }
  // The request may name more files than the .dsc lists.
  if ('files' in from)
    return without(source.files, from.files).map(
      (name) => `has the source file ${name}, the request has not`,
    );
  const name = lastSegment(from.url);
  if (name !== dsc) return [`has the source ${dsc}, the request names ${name}`];
  const found = source.files.find((file) => file.name === dsc)?.sha256;
  const isOther = from.sha256 !== undefined && found !== from.sha256;
  return isOther ? [`has ${dsc} with SHA-256 ${found}, the request names ${from.sha256}`] : [];
}

function otherThan({ name, version }: Lock['source'], said: string): string {
  return `is of ${name} ${version}, the request ${said}`;
}

function lastSegment(url: string): string {
  const segment = new URL(url).pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Both name the same files: of one too many nobody knows what the build makes of it. */
function otherFiles(locked: readonly WantedFile[], wanted: readonly WantedFile[], what: string): string[] {
  return [
    ...without(wanted, locked).map((name) => `lacks among its ${what}: ${name}`),
    ...without(locked, wanted).map((name) => `has what the request has not among its ${what}: ${name}`),
  ];
}

/** Names of those that the others are without. */
function without(files: readonly WantedFile[], others: readonly WantedFile[]): string[] {
  const keyOf = ({ name, sha256 }: WantedFile) => `${sha256} ${name}`;
  const there = new Set(others.map(keyOf));
  return files.filter((file) => !there.has(keyOf(file))).map(({ name }) => name);
}
