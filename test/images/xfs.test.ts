import { xfs } from '../../images/xfs.ts';
import { filesystemContract } from '../contracts/filesystem.ts';

filesystemContract({
  filesystem: xfs,
  program: 'mkfs.xfs',
  refusable: ['-n', '-i'],
  sizeMiB: 400,
  emptyMiB: 90,
  tooSmallMiB: 200,
});
