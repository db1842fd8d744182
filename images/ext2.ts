import { ext } from './ext.ts';

/** ext2, for what needs its limits: no journal, and blocks are mapped one by one. */
export const ext2 = ext({
  name: 'ext2',
  features: ['dir_index', 'ext_attr', 'filetype', 'large_file', 'sparse_super'],
  mountOptions: ['noatime', 'nobarrier', 'errors=panic'],
  leastMiB: 8,
});
