import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { DOCUMENT_FIELDS, digestsInText, referencesIn } from '../../retention/references.ts';
import { Digest } from '../../schema/digest.ts';
import { Lock } from '../../schema/lock.ts';
import { BuildRequest } from '../../schema/request.ts';
import { BuildResult } from '../../schema/result.ts';

/**
 * Names of fields whose digest names a blob that refers to nothing else: files, and what is no blob at all. A new field
 * with a digest belongs here, or, where its blob is a document that refers to other blobs, into DOCUMENT_FIELDS: else
 * `slipway gc` would not look into that document, and delete what it needs.
 */
const LEAVES = ['sha256', 'keyring', 'release', 'ccache', 'image', 'initramfs'];

interface JsonSchema {
  type?: string;
  pattern?: string;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
}

const DIGEST_PATTERN = (z.toJSONSchema(Digest) as JsonSchema).pattern;

/** Paths of all fields that hold a digest. */
function digestPaths(schema: JsonSchema, path: readonly string[] = []): string[][] {
  if (schema.pattern === DIGEST_PATTERN) return [[...path]];
  const { properties = {}, items, additionalProperties } = schema;
  return [
    ...Object.entries(properties).flatMap(([key, each]) => digestPaths(each, [...path, key])),
    ...(items === undefined ? [] : digestPaths(items, [...path, '[]'])),
    ...(typeof additionalProperties === 'object' ? digestPaths(additionalProperties, [...path, '{}']) : []),
    ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])].flatMap((each) =>
      digestPaths(each, path),
    ),
  ];
}

function pathsOf(schema: z.ZodType): string[] {
  const json = z.toJSONSchema(schema, { io: 'input', reused: 'inline', unrepresentable: 'any' });
  return [...new Set(digestPaths(json as JsonSchema).map((path) => path.join('.')))];
}

/** A value that has nothing but a digest at a path. */
function valueAt(path: readonly string[], digest: string): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return digest;
  const inner = valueAt(rest, digest);
  return step === '[]' ? [inner] : { [step === '{}' ? 'any' : step]: inner };
}

const DIGEST = 'a1'.repeat(32);

describe.each([
  ['request', BuildRequest],
  ['result', BuildResult],
  ['lock', Lock],
])('each digest of a %s', (_, schema) => {
  const paths = pathsOf(schema);

  test('there are some', () => {
    expect(paths.length).toBeGreaterThan(3);
  });

  test.each(paths)('%s is found, and it is known whether it names a document', (path) => {
    const found = referencesIn(valueAt(path.split('.'), DIGEST));
    expect([...found.digests]).toEqual([DIGEST]);
    const name = path.split('.').findLast((step) => step !== '[]' && step !== '{}') ?? '';
    expect([...LEAVES, ...DOCUMENT_FIELDS]).toContain(name);
    expect(found.documents.has(DIGEST)).toBe(DOCUMENT_FIELDS.includes(name));
  });
});

test('each document field is one of the schemas', () => {
  const names = pathsOf(BuildResult).map((path) => path.split('.').at(-1));
  for (const field of DOCUMENT_FIELDS) expect(names).toContain(field);
});

const digest = fc.stringMatching(/^[0-9a-f]{64}$/);

test('a digest is found wherever it stands in a value: field, key, within a text', () => {
  fc.assert(
    fc.property(
      digest,
      fc.array(fc.oneof(fc.constant('[]'), fc.stringMatching(/^[a-z]{1,8}$/))),
      fc.constantFrom(
        (value: string) => value,
        (value: string) => `build/hello/${value}`,
        (value: string) => `sha256:${value} of the file`,
        (value: string) => ({ [value]: 1 }),
        (value: string) => [null, 3, [value, true]],
      ),
      (value, path, form) => {
        const whole = valueAt(path, 'x');
        const found = referencesIn([whole, valueAt(path, form(value) as string)]);
        expect(found.digests.has(value)).toBe(true);
        expect(digestsInText(Buffer.from(JSON.stringify(form(value)))).has(value)).toBe(true);
      },
    ),
  );
});

test.each([
  ['too short', 'a'.repeat(63)],
  ['a SHA-512', 'a'.repeat(128)],
  ['upper case', 'A'.repeat(64)],
])('%s is no digest', (_, text) => {
  expect(referencesIn({ sha256: text }).digests.size).toBe(0);
});
