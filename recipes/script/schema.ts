import { z } from 'zod';
import { Digest } from '../../schema/digest.ts';
import { HttpUrl } from '../../schema/http-url.ts';
import { FileName, PackageName, StoredFile } from '../../schema/names.ts';

/** Bytes of script and environment: both are words of a command in the guest, whose length has an end. */
const SCRIPT_BYTES = 64 * 1024;
const ENVIRONMENT_BYTES = 32 * 1024;

export const ScriptSource = z.union([
  StoredFile,
  z.strictObject({
    url: HttpUrl.describe('Where the file is fetched from'),
    sha256: Digest.describe('Its SHA-256: nothing else is taken'),
    name: FileName.optional().describe('Name in the work folder; default: the last part of the URL'),
  }),
]);
export type ScriptSource = z.infer<typeof ScriptSource>;

/** Name under which a source lies in the work folder; undefined where its URL has none that is fit. */
export function sourceName(source: ScriptSource): string | undefined {
  if (!('url' in source)) return source.name;
  if (source.name !== undefined) return source.name;
  try {
    return FileName.safeParse(decodeURIComponent(new URL(source.url).pathname.split('/').at(-1) ?? '')).data;
  } catch {
    return undefined;
  }
}

const withoutNul = (what: string) =>
  z.string().refine((text) => !text.includes('\0'), `${what} cannot have a NUL character`);

const Environment = z
  .record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a name of letters, digits and _'),
    withoutNul('a value'),
  )
  .refine((variables) => Object.keys(variables).length <= 200, 'must have at most 200 variables')
  .refine(
    (variables) => Buffer.byteLength(Object.entries(variables).flat().join('==')) <= ENVIRONMENT_BYTES,
    `must have at most ${ENVIRONMENT_BYTES / 1024} KiB`,
  );

/** A folder below the work folder, never it. */
const Folder = z
  .string()
  .max(1000)
  .regex(
    /^(?!\.{1,2}(\/|$))[^/\u0000-\u001f\u007f]+(\/(?!\.{1,2}(\/|$))[^/\u0000-\u001f\u007f]+)*$/,
    'must be a folder below the work folder, for instance out or build/out: relative, without . and ..',
  );

/** Runs a script in a build root of the packages that it wants; what it leaves in a folder is the result. */
export const ScriptRecipe = z
  .strictObject({
    kind: z.literal('script'),
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9+.-]+$/, 'must have lower-case letters, digits, + . - only, at least two')
      .max(128)
      .describe('What is built'),
    version: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9.+~:-]*$/, 'must have letters, digits, + . ~ : - only')
      .max(200)
      .optional()
      .describe('Its version; default: 0'),
    sources: z
      .array(ScriptSource)
      .max(1000)
      .default([])
      .describe('Files that are laid into the work folder: blobs of the store, or URLs with their SHA-256'),
    packages: z
      .array(PackageName)
      .max(1000)
      .default([])
      .describe('Debian packages to install beside the essential ones; not even a compiler is there without'),
    script: withoutNul('a script')
      .min(1)
      .refine(
        (text) => Buffer.byteLength(text) <= SCRIPT_BYTES,
        `must have at most ${SCRIPT_BYTES / 1024} KiB`,
      )
      .describe(
        'Text of the script. Run in the work folder as an unprivileged user, by the interpreter that its first line names (#!/bin/bash), else by sh -e',
      ),
    output: Folder.default('output').describe(
      'Folder that the script leaves its results in, relative to the work folder',
    ),
    environment: Environment.default({}).describe('Variables of the script'),
  })
  .superRefine(({ sources }, context) => {
    const names = sources.map(sourceName);
    names.forEach((name, index) => {
      const path = ['sources', index, 'name'];
      if (name === undefined) {
        context.addIssue({
          code: 'custom',
          path,
          message: 'is missing, and the URL ends in none that is fit',
        });
      } else if (names.indexOf(name) < index) {
        context.addIssue({ code: 'custom', path, message: `is given twice: ${name}` });
      }
    });
  });
export type ScriptRecipe = z.infer<typeof ScriptRecipe>;
