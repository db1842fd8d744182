import type { FilesystemName } from '../schema/request.ts';
import { ext4 } from './ext4.ts';
import type { Filesystem } from './filesystem.ts';

/** All filesystems by name. */
export const filesystems: Readonly<Partial<Record<FilesystemName, Filesystem>>> = { ext4 };
