import { z } from 'zod';
import { Size } from './primitives.ts';

/** The disks after the install phase that a host keeps for later builds. */
export const BuildRootsConfiguration = z.strictObject({
  size: Size.prefault('20 GiB').describe(
    'Room of all kept build roots together; what was used longest ago goes first. `0 GiB`: none are kept',
  ),
  leaveFree: Size.prefault('10 GiB').describe(
    'Room of the filesystem of `directories.cache` that kept build roots leave free for other things. A build that would not have room otherwise has them deleted, whatever is said here',
  ),
});
export type BuildRootsConfiguration = z.infer<typeof BuildRootsConfiguration>;
