import { z } from 'zod';
import { HttpUrl } from '../../schema/http-url.ts';
import { Folder } from './primitives.ts';

/** A bucket of S3. Without credentials: those come from AWS's standard chain, never from a file that is shown around. */
const S3 = z.strictObject({
  bucket: z
    .string()
    .regex(
      /^[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]$/,
      "must be a bucket's name: 3 to 63 lower-case letters, digits, . and -",
    )
    .describe('Bucket; it must be there'),
  prefix: z
    .string()
    .max(100)
    .regex(
      /^(?!\.{1,2}(\/|$))[A-Za-z0-9._+~-]+(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._+~-]+)*$/,
      'must be words of letters, digits and ._+~- with / between them',
    )
    .optional()
    .describe(
      'Begins all keys of this store, for instance `slipway`. Default: the bucket is all of the store',
    ),
  endpoint: HttpUrl.optional().describe(
    "URL of an S3 server that is not AWS. Default: AWS's standard settings. It must do conditional writes",
  ),
  region: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be the name of a region, for instance eu-central-1')
    .optional()
    .describe('Region. Default: `AWS_REGION` or the profile; with `endpoint` else `us-east-1`'),
  forcePathStyle: z
    .boolean()
    .optional()
    .describe(
      '`<endpoint>/<bucket>` and not `<bucket>.<endpoint>`. Default: true where there is an `endpoint`',
    ),
});

/** Where results lie. */
export const StoreConfiguration = z
  .strictObject({
    directory: Folder.optional().describe('Folder of the store; or `store.s3`. Default: `<home>/store`'),
    s3: S3.optional().describe(
      "The store is a bucket of S3. Credentials are AWS's standard ones: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, `AWS_PROFILE`, or the role of the machine",
    ),
    keepInputs: z
      .boolean()
      .default(false)
      .describe(
        'Whether this worker puts what it fetches for a build into the store too, by digest, and looks there before it asks a mirror: a lock then builds again when the mirrors have dropped its versions. Costs the room of each distinct package once, some hundred MB for each state of a distribution',
      ),
  })
  .refine(({ directory, s3 }) => directory === undefined || s3 === undefined, {
    error: 'directory and s3 do not go together',
  });
export type StoreConfiguration = z.infer<typeof StoreConfiguration>;
