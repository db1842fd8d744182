import { ext2 } from '../../images/ext2.ts';
import { filesystemContract } from '../contracts/filesystem.ts';

filesystemContract({
  filesystem: ext2,
  program: 'mke2fs',
  refusable: ['-E', '-O'],
  sizeMiB: 64,
  emptyMiB: 16,
});
