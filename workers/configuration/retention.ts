import { z } from 'zod';
import { Duration, Size } from './primitives.ts';

const Cache = z.strictObject({
  olderThan: Duration.optional().describe('What was not used for so long goes, for instance `30 d`'),
  size: Size.optional().describe(
    'Room of all caches of a host together; what was used longest ago goes first. For instance `50 GiB`',
  ),
});

/** What `slipway gc` deletes. Nothing is deleted without it. */
export const RetentionConfiguration = z.strictObject({
  olderThan: Duration.optional().describe(
    'A result may go when its build ended so long ago, for instance `90 d`. Default: none goes for its age',
  ),
  keep: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe(
      'Newest results of each package that stay; where `olderThan` is given too, both must let it go',
    ),
  keepLatestGood: z
    .boolean()
    .default(true)
    .describe('Whether the newest result of each package that succeeded stays in any case'),
  grace: Duration.prefault('1 d').describe(
    'What was put into the store within this time stays, whether or not anything refers to it; at least `1 h`',
  ),
  liveLogs: Duration.prefault('7 d').describe(
    'How long the log of a build without a result stays: of one that was cancelled, for instance',
  ),
  cache: Cache.prefault({}).describe(
    'Caches of a host, for `slipway gc --host`: downloads, lists, kernels, build roots',
  ),
});
export type RetentionConfiguration = z.infer<typeof RetentionConfiguration>;
