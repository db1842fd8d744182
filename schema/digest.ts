import { z } from 'zod';

/** A SHA-256 in lower-case hexadecimal. The only digest of slipway: blobs, locks and requests are named by it. */
export const Digest = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256: 64 lower-case hexadecimal digits')
  .describe('SHA-256, 64 lower-case hexadecimal digits');
export type Digest = z.infer<typeof Digest>;
