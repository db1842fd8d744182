/** An entry of a list that keeps all rules. Paths are relative to the output folder. */
export type Entry = FolderEntry | FileEntry | SymlinkEntry | HardLinkEntry;

export interface FolderEntry {
  kind: 'folder';
  path: string;
}

export interface FileEntry {
  kind: 'file';
  path: string;
  /** Bytes. */
  size: number;
  executable: boolean;
  /** First byte of its extents in the list and the one after them: they can be millions and stay there. */
  extents: { from: number; to: number };
}

export interface SymlinkEntry {
  kind: 'symlink';
  path: string;
  target: string;
}

export interface HardLinkEntry {
  kind: 'hard link';
  path: string;
  file: FileEntry;
}
