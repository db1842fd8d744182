import type { FilesystemName } from '../schema/request.ts';
import { ext4 } from './ext4.ts';
import type { Filesystem } from './filesystem.ts';

/** All filesystems by name. */
export const filesystems: Readonly<Partial<Record<FilesystemName, Filesystem>>> = { ext4 };

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
