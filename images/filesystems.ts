import type { FilesystemName } from '../schema/request.ts';
import { btrfs } from './btrfs.ts';
import { ext2 } from './ext2.ts';
import { ext3 } from './ext3.ts';
import { ext4 } from './ext4.ts';
import type { Filesystem } from './filesystem.ts';
import { xfs } from './xfs.ts';

/** All filesystems by name. */
export const filesystems: Readonly<Record<FilesystemName, Filesystem>> = {
  ext2,
  ext3,
  ext4,
  xfs,
  btrfs,
};

/** The same filesystems with the operator's mount options in the place of their own, where there are any. */
export function withMountOptions(
  all: Readonly<Partial<Record<FilesystemName, Filesystem>>>,
  options: Readonly<Partial<Record<FilesystemName, readonly string[] | undefined>>>,
): Partial<Record<FilesystemName, Filesystem>> {
  const entries = Object.values(all).map((filesystem) => [
    filesystem.name,
    { ...filesystem, mountOptions: options[filesystem.name] ?? filesystem.mountOptions },
  ]);
  return Object.fromEntries(entries);
}
