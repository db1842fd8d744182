import { ext } from './ext.ts';

/**
 * ext4 for a disk that is thrown away: fast to make, fast to write, nothing kept for a crash. No journal (nobody reads a
 * disk whose guest crashed), no checksums (the host's memory is trusted), no inline_data (its content has no extents that
 * the host could read), no resize_inode. Without ext_attr mke2fs would drop file capabilities without a word.
 */
export const ext4 = ext({
  name: 'ext4',
  features: [
    ...['dir_index', 'dir_nlink', 'ext_attr', 'extent', 'extra_isize', 'filetype', 'flex_bg', 'huge_file'],
    ...['large_file', 'sparse_super'],
  ],
  lazyTables: 'uninit_bg',
  // No barriers and no flush on rename: the disk need not outlive a crash; nobody zeroes inode tables behind the build's
  // back. errors=panic: a broken disk is the host's fault and must end as GuestCrashed, not as a build that failed on a
  // read-only filesystem.
  mountOptions: ['noatime', 'nobarrier', 'noauto_da_alloc', 'noinit_itable', 'errors=panic'],
  leastMiB: 8,
});
