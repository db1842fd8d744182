import { z } from 'zod';
import { FILL_WAYS } from '../../images/filesystem.ts';
import { FilesystemName } from '../../schema/request.ts';

/** Disks of the guests. */
export const DisksConfiguration = z.strictObject({
  filesystem: FilesystemName.default('ext4').describe('Filesystem where the request names none'),
  fill: z
    .enum(FILL_WAYS)
    .optional()
    .describe(
      'How a disk is filled: copyin, mkfs takes the build root from a folder; mount, it is unpacked through a loop device and a mount. Default: copyin where the filesystem can',
    ),
});
export type DisksConfiguration = z.infer<typeof DisksConfiguration>;
