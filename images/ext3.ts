import { ext } from './ext.ts';

/**
 * ext3, for what needs its limits: blocks are mapped one by one. Its journal is what makes it ext3 (without one it is
 * ext2), and is used as little as can be: data need not be on the disk before the journal says so (data=writeback).
 */
export const ext3 = ext({
  name: 'ext3',
  features: ['dir_index', 'ext_attr', 'filetype', 'has_journal', 'large_file', 'sparse_super'],
  mountOptions: ['noatime', 'nobarrier', 'data=writeback', 'errors=panic'],
  leastMiB: 16,
});
