import { basename } from 'node:path';
import type { ScriptSource } from '../recipes/script/schema.ts';
import type { StoredFile } from '../schema/names.ts';
import type { Store } from '../stores/store.ts';
import { uploadCcache } from './ccache.ts';
import { UsageError } from './exit-codes.ts';
import { checkKeyrings, type RequestOptions, type Uploads } from './request-options.ts';
import { sourceFrom, uploadFile } from './sources.ts';

/**
 * Puts the local files that options and argument name into the store.
 * @param source the argument of `build`
 * @throws UsageError that says which file cannot be taken
 */
export async function uploadsOf(
  source: string | undefined,
  options: RequestOptions,
  store: Store,
): Promise<Uploads> {
  const uploads: Uploads = {};
  if (source !== undefined) uploads.source = await sourceFrom(source, store);
  if (options.keyring !== undefined) {
    checkKeyrings(options);
    uploads.keyrings = await inTurn(options.keyring, (path) => uploadFile(path, store));
  }
  if (options.sourceKeyring !== undefined) {
    uploads.sourceKeyring = await uploadFile(options.sourceKeyring, store);
  }
  if (options.localPackage !== undefined) {
    uploads.localPackages = await inTurn(options.localPackage, (path) => storedFile(path, store));
  }
  if (options.ccache !== undefined) uploads.ccache = await uploadCcache(options.ccache, store);
  if (options.source !== undefined) {
    uploads.sources = await inTurn(options.source, (text) => scriptSource(text, store));
  }
  return uploads;
}

async function inTurn<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>) {
  const results: Result[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

async function storedFile(path: string, store: Store): Promise<StoredFile> {
  return { name: basename(path), sha256: await uploadFile(path, store) };
}

async function scriptSource(text: string, store: Store): Promise<ScriptSource> {
  if (!/^https?:\/\//.test(text)) return await storedFile(text, store);
  const [, url, sha256] = /^([^#]*)#sha256=([0-9a-fA-F]{64})$/.exec(text) ?? [];
  if (url !== undefined && sha256 !== undefined) return { url, sha256: sha256.toLowerCase() };
  throw new UsageError(
    `--source ${text} says no SHA-256.`,
    'Write it behind the URL: https://host/file.tar.gz#sha256=<64 hexadecimal digits>',
  );
}
