import { z } from 'zod';
import { FilesystemName } from '../../schema/request.ts';

/**
 * Options that would take from a build what it needs (a root that can be written and run), or that are not the
 * filesystem's but mount's own: they would have it mount something else, elsewhere, or by somebody else.
 */
const REFUSED = new Set([
  ...['ro', 'noexec', 'nodev', 'nosuid', 'norecovery', 'noload'],
  ...['loop', 'offset', 'sizelimit', 'encryption', 'remount', 'bind', 'rbind', 'move', 'subvol', 'subvolid'],
  ...['device', 'logdev', 'rtdev', 'journal_path', 'journal_dev', 'helper', 'uhelper'],
  ...['user', 'users', 'owner', 'group', 'auto', 'noauto', 'nofail', '_netdev', 'defaults'],
]);

const MountOption = z
  .string()
  .regex(
    /^[a-z_][a-z0-9_]*(=[A-Za-z0-9_.:-]+)?$/,
    'must be one mount option, as in noatime or commit=60: no comma, space or path',
  )
  .refine((option) => !REFUSED.has(option.split('=')[0] as string) && !option.startsWith('x_'), {
    error: ({ input }) => `${input} is not an option for the disk of a build`,
  });

/** Mount options of each filesystem, in the place of those that slipway has for it. */
export const MountOptions = z.strictObject(
  Object.fromEntries(
    FilesystemName.options.map((name) => [
      name,
      z
        .array(MountOption)
        .max(50)
        .optional()
        .describe(`Mount options of ${name}, for instance \`[noatime]\``),
    ]),
  ) as Record<FilesystemName, z.ZodOptional<z.ZodArray<typeof MountOption>>>,
);
export type MountOptions = z.infer<typeof MountOptions>;
