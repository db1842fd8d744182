import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { BuildRequest } from './request.ts';

/**
 * The workflow id of a request: `build/<package>/<SHA-256>`, the digest being that of the request with all defaults
 * applied, in canonical form (RFC 8785). Equal requests have equal ids, whoever writes them in whatever order.
 */
export function buildId(request: BuildRequest): string {
  const canonical = canonicalize(request);
  if (canonical === undefined) throw new TypeError('a request is always an object');
  return `build/${packageName(request)}/${createHash('sha256').update(canonical).digest('hex')}`;
}

/** The package that a request names, as far as it can be told before its source is read. */
export function packageName({ recipe }: BuildRequest): string {
  if ('name' in recipe) return recipe.name;
  const { source } = recipe;
  if ('name' in source) return source.name;
  const dsc = 'url' in source ? decoded(new URL(source.url).pathname) : dscName(source.files);
  const name = dsc.split('/').at(-1)?.split('_')[0] ?? '';
  return /^[a-z0-9][a-z0-9+.-]{1,127}$/.test(name) ? name : 'unnamed';
}

/** As it is where it cannot be decoded: what is wrong with it is for who reads the source to say. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function dscName(files: { name: string }[]): string {
  return files.find((file) => file.name.endsWith('.dsc'))?.name ?? '';
}
