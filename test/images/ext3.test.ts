import { ext3 } from '../../images/ext3.ts';
import { filesystemContract } from '../contracts/filesystem.ts';

filesystemContract({
  filesystem: ext3,
  program: 'mke2fs',
  refusable: ['-E', '-O'],
  sizeMiB: 64,
  emptyMiB: 90,
});
