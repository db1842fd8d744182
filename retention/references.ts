import type { Digest } from '../schema/digest.ts';

/**
 * All that can refer to a blob, in one place. Whatever looks like a digest counts as one, wherever it stands in a
 * request, a lock, a result or a history: a field that is added later is found without anybody thinking of it, and what
 * is found too much only keeps a blob that could go.
 */
const DIGEST = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/g;

/**
 * Fields whose digest names a blob that refers to others itself, being a JSON document: the lock names the input files,
 * which the store may keep. `test/retention/references.test.ts` fails where a digest has a name that it does not know.
 */
export const DOCUMENT_FIELDS: readonly string[] = ['lock'];

/** Prefixes of all records that refer to blobs. */
export const RESULTS = 'results/';

/** What a value refers to. */
export interface References {
  digests: Set<Digest>;
  /** Those of them that name documents, which refer to more. */
  documents: Set<Digest>;
}

/** All references in a value as JSON has them: in texts and keys, at any depth. */
export function referencesIn(value: unknown): References {
  const found: References = { digests: new Set(), documents: new Set() };
  collect(value, '', found);
  return found;
}

/** All digests in the bytes of a text, JSON or not. */
export function digestsInText(bytes: Uint8Array): Set<Digest> {
  return new Set(Buffer.from(bytes).toString('latin1').match(DIGEST));
}

/** Adds the references of one to another. */
export function addReferences(to: References, from: References): void {
  for (const digest of from.digests) to.digests.add(digest);
  for (const document of from.documents) to.documents.add(document);
}

function collect(value: unknown, field: string, found: References): void {
  if (typeof value === 'string') {
    for (const digest of value.match(DIGEST) ?? []) {
      found.digests.add(digest);
      if (DOCUMENT_FIELDS.includes(field)) found.documents.add(digest);
    }
  } else if (Array.isArray(value)) {
    for (const item of value) collect(item, field, found);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      collect(key, '', found);
      collect(item, key, found);
    }
  }
}
