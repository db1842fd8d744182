import { z } from 'zod';
import { FILL_WAYS } from '../../images/filesystem.ts';
import { FilesystemName } from '../../schema/request.ts';
import { MountOptions } from './mount-options.ts';

/** Absolute, below /dev, of characters that no tool takes for anything else. */
const DevicePath = z
  .string()
  .regex(
    /^\/dev\/(?!(.*\/)?\.{1,2}(\/|$))[A-Za-z0-9_.:+@=/-]+$/,
    'must be the path of a block device, as in /dev/vg0/disk0 or /dev/disk/by-id/…',
  );

const DevicePair = z.strictObject({
  disk: DevicePath.describe('Block device or logical volume that is the disk of a guest'),
  swap: DevicePath.describe('The one that is its swap, and the way out of results'),
});

/** Disks of the guests. */
export const DisksConfiguration = z.strictObject({
  filesystem: FilesystemName.default('ext4').describe('Filesystem where the request names none'),
  fill: z
    .enum(FILL_WAYS)
    .optional()
    .describe(
      'How a disk is filled: copyin, mkfs takes the build root from a folder; mount, it is unpacked through a loop device and a mount. Default: copyin where the filesystem can (not xfs; btrfs unless there are device nodes), mount elsewhere, whatever is said here',
    ),
  devices: z
    .array(DevicePair)
    .min(1)
    .max(1024)
    .superRefine(refuseTwice)
    .optional()
    .describe(
      'Block devices or logical volumes for disk and swap of the guests, a pair for each build at a time; slipway writes all over them. Default: sparse files in the scratch folder',
    ),
  clean: z
    .boolean()
    .default(false)
    .describe(
      'Whether devices are wiped before each build (blkdiscard --zeroout), so that no guest reads what an earlier one wrote. Otherwise a device that is not all zeros is refused',
    ),
  mountOptions: MountOptions.prefault({}).describe(
    'Options that disks are mounted with, in the place of the default ones of a filesystem',
  ),
});
export type DisksConfiguration = z.infer<typeof DisksConfiguration>;

/** Other names of the same device are found when it is used. */
function refuseTwice(pairs: readonly z.infer<typeof DevicePair>[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  for (const [index, pair] of pairs.entries()) {
    for (const which of ['disk', 'swap'] as const) {
      if (seen.has(pair[which])) {
        const message = `${pair[which]} is given twice: each build needs devices of its own`;
        context.addIssue({ code: 'custom', path: [index, which], message });
      }
      seen.add(pair[which]);
    }
  }
}
