import { z } from 'zod';
import { parseSeconds } from '../../client/durations.ts';
import { parseMiB } from '../../schema/size.ts';

/** A size such as `4 GiB`; MiB once read. */
export const Size = z
  .string({ error: 'must be a size with its unit, for instance 4 GiB' })
  .meta({ pattern: '^\\d+(\\.\\d+)? ?(KiB|MiB|GiB|TiB)$' })
  .transform((text, context) => {
    try {
      return parseMiB(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
      return z.NEVER;
    }
  });

/** A duration such as `90 d`; seconds once read. */
export const Duration = z
  .string({ error: 'must be a duration with its unit, for instance 90 d' })
  .meta({ pattern: '^\\d+(\\.\\d+)? ?(s|min|h|d)$' })
  .transform((text, context) => {
    try {
      return parseSeconds(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
      return z.NEVER;
    }
  });

/** An absolute path. */
export const Folder = z.string().regex(/^\//, 'must be an absolute path');
