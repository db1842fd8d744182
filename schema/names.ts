import { z } from 'zod';
import { Digest } from './digest.ts';

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

/** A Debian binary package, where wanted with an architecture (`:native`, `:arm64`). */
export const PackageName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?$/, 'must be a Debian package name')
  .max(200);

/** A file that is in the store already. */
export const StoredFile = z.strictObject({ name: FileName, sha256: Digest });
export type StoredFile = z.infer<typeof StoredFile>;
