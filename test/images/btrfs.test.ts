import { btrfs } from '../../images/btrfs.ts';
import { filesystemContract } from '../contracts/filesystem.ts';

filesystemContract({
  filesystem: btrfs,
  program: 'mkfs.btrfs',
  refusable: ['--metadata', '--nodiscard'],
  sizeMiB: 256,
  emptyMiB: 32,
  tooSmallMiB: 32,
});
