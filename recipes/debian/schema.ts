import { z } from 'zod';
import { Digest } from '../../schema/digest.ts';
import { HttpUrl } from '../../schema/http-url.ts';

/** A Debian source package name: Policy 5.6.1. */
export const SourceName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+.-]+$/, 'must be a Debian source package name: lower-case letters, digits, + . -')
  .max(128);

/** A file name that is safe in any folder: no slash, no control character, not `.` or `..`. */
export const FileName = z
  .string()
  .min(1)
  .max(255)
  .regex(
    /^(?!\.{1,2}$)[^/\u0000-\u001f\u007f]+$/,
    'must be a plain file name without slash or control characters',
  )
  .refine((name) => Buffer.byteLength(name) <= 255, 'must have at most 255 bytes in UTF-8');

const PackageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?$/, 'must be a Debian package name');

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
        .array(z.strictObject({ name: FileName, sha256: Digest }))
        .min(1)
        .max(100)
        .describe('Files already in the store: exactly one .dsc and all files that it lists'),
    }),
  ])
  .describe('Where the source package comes from');
export type DebianSource = z.infer<typeof DebianSource>;

export const DebianOptions = z.strictObject({
  parts: z
    .array(z.enum(['any', 'all', 'source']))
    .min(1)
    .default(['any', 'all'])
    .describe('What to build: architecture-dependent (any), independent (all) packages, the source package'),
  jobs: z.int().min(1).max(1024).optional().describe('Parallel jobs; default: the CPUs of the guest'),
  buildOptions: z
    .array(
      z
        .string()
        .regex(/^[a-z0-9=._,+-]+$/)
        .max(100),
    )
    .max(50)
    .default([])
    .describe('DEB_BUILD_OPTIONS without parallel=, for instance nocheck'),
  profiles: z
    .array(
      z
        .string()
        .regex(/^[a-z0-9.-]+$/)
        .max(100),
    )
    .max(50)
    .default([])
    .describe('DEB_BUILD_PROFILES; they also select the build dependencies'),
  extraPackages: z
    .array(PackageName)
    .max(1000)
    .default([])
    .describe('Packages to install beside the build dependencies'),
});

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
