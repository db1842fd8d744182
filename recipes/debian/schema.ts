import { z } from 'zod';
import { Digest } from '../../schema/digest.ts';
import { HttpUrl } from '../../schema/http-url.ts';
import { SourceName, StoredFile } from '../../schema/names.ts';
import { DebianOptions } from './options.ts';

export const DebianSource = z
  .union([
    z.strictObject({
      name: SourceName.describe('Source package name, looked up in the repositories'),
      version: z
        .string()
        .regex(/^[A-Za-z0-9.+~:-]+$/)
        .max(200)
        .optional()
        .describe('Exact version; default: the newest'),
    }),
    z.strictObject({
      url: HttpUrl.describe('URL of a .dsc; its files are fetched from the same folder'),
      sha256: Digest.optional().describe('Expected SHA-256 of the .dsc'),
    }),
    z.strictObject({
      files: z
        .array(StoredFile)
        .min(1)
        .max(100)
        .describe('Files already in the store: exactly one .dsc and all files that it lists'),
    }),
  ])
  .describe('Where the source package comes from');
export type DebianSource = z.infer<typeof DebianSource>;

/** Builds Debian packages from a Debian source package. */
export const DebianRecipe = z.strictObject({
  kind: z.literal('debian'),
  source: DebianSource,
  keyring: Digest.optional().describe(
    'Keyring blob in the store; where given, the .dsc must carry a good signature by one of its keys',
  ),
  options: DebianOptions.prefault({}),
});
export type DebianRecipe = z.infer<typeof DebianRecipe>;
