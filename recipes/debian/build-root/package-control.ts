import { lstat, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../host/run.ts';
import { SlipwayFailure } from '../../../schema/failures.ts';
import { parseStanza, type Stanza } from './stanza.ts';

/** A binary package to unpack, as the lock names it. */
export interface PackageFile {
  /** The .deb file. */
  path: string;
  package: string;
  version: string;
  architecture: string;
}

/** What the control archive of a package says. */
export interface PackageControl {
  file: PackageFile;
  fields: Stanza;
  /** How dpkg names its files in `info/`: `<package>`, or `<package>:<architecture>` for Multi-Arch: same. */
  id: string;
  /** Folder with the members of the control archive, all of them regular files. */
  folder: string;
  /** Names of the members but `control`. */
  members: string[];
  /** Absolute paths; `removed`: the package wants it gone on upgrade and does not ship it. */
  conffiles: { path: string; removed: boolean }[];
}

/**
 * Unpacks the control archive of a package into `folder`, which must not exist, and reads it.
 * @throws SlipwayFailure InputRejected where it is not the package that the lock names, or no sound package
 */
export async function readControl(
  file: PackageFile,
  folder: string,
  signal: AbortSignal,
): Promise<PackageControl> {
  await mkdir(folder, { mode: 0o700 });
  await run(['dpkg-deb', '--control', file.path, folder], { signal });
  const members = await regularFiles(file, folder);
  const fields = await readFields(file, join(folder, 'control'));
  const conffiles = members.includes('conffiles') ? await readFile(join(folder, 'conffiles'), 'utf8') : '';
  return {
    file,
    fields,
    id: fields.get('Multi-Arch') === 'same' ? `${file.package}:${file.architecture}` : file.package,
    folder,
    members: members.filter((name) => name !== 'control'),
    conffiles: conffiles
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .map(parseConffile),
  };
}

/** A link in a control archive could name any file of the host: only plain files go on. */
async function regularFiles(file: PackageFile, folder: string): Promise<string[]> {
  const names = await readdir(folder);
  for (const name of names) {
    const plain = /^[a-z0-9.-]+$/.test(name) && (await lstat(join(folder, name))).isFile();
    if (!plain)
      throw rejected(file, `its control archive has ${JSON.stringify(name)}, which is no plain file`);
  }
  if (!names.includes('control')) throw rejected(file, 'its control archive has no file named control');
  return names.sort();
}

async function readFields(file: PackageFile, path: string): Promise<Stanza> {
  const fields = parseStanza(await readFile(path, 'utf8'));
  const named = [fields.get('Package'), fields.get('Version'), fields.get('Architecture')].join(' ');
  const expected = [file.package, file.version, file.architecture].join(' ');
  if (named !== expected) throw rejected(file, `the file says that it is ${named}, the lock ${expected}`);
  if (!/^[a-z0-9][a-z0-9+.-]+ \S+ [a-z0-9-]+$/.test(named)) throw rejected(file, 'its name is not valid');
  return fields;
}

function parseConffile(line: string): { path: string; removed: boolean } {
  const flag = 'remove-on-upgrade ';
  return line.startsWith(flag)
    ? { path: line.slice(flag.length).trim(), removed: true }
    : { path: line, removed: false };
}

function rejected(file: PackageFile, why: string): SlipwayFailure {
  return new SlipwayFailure('InputRejected', `${file.package} ${file.version}: ${why}`, {
    items: [file.package],
  });
}
