import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackageControl, PackageFile } from './package-control.ts';
import { formatStanza } from './stanza.ts';
import { interests } from './triggers.ts';

/** A package that is unpacked but not configured. */
export interface UnpackedPackage {
  control: PackageControl;
  /** Absolute paths that it owns, without a slash at the end, in the order of its archive; the root is `/.`. */
  paths: readonly string[];
  /** MD5 of its conffiles by path, for dpkg to know later whether somebody changed one. */
  conffiles: ReadonlyMap<string, string>;
  /** Where the package brings no such list itself. */
  md5sums?: string;
}

/** dpkg's folder, relative to the root. */
export const ADMINISTRATION = 'var/lib/dpkg';

/**
 * Writes dpkg's own database of packages that are unpacked and not configured below `root`, as dpkg writes it.
 * @param later packages that dpkg itself is to unpack: it must know their architectures
 */
export async function writeDatabase(
  root: string,
  packages: readonly UnpackedPackage[],
  later: readonly PackageFile[] = [],
): Promise<void> {
  for (const folder of ['info', 'triggers']) {
    await mkdir(join(root, ADMINISTRATION, folder), { recursive: true });
  }
  const sorted = packages.toSorted((a, b) => (a.control.id < b.control.id ? -1 : 1));
  await put(root, 'info/format', '1\n');
  await put(root, 'status', sorted.map(status).join('\n'));
  await put(root, 'available', '');
  await put(root, 'diversions', '');
  await put(root, 'statoverride', '');
  const architectures = architecturesOf([...sorted.map(({ control }) => control.file), ...later]);
  if (architectures.length > 1) await put(root, 'arch', architectures.map((name) => `${name}\n`).join(''));
  for (const entry of sorted) await writeInfo(root, entry);
  for (const [name, lines] of await interests(sorted.map((entry) => entry.control))) {
    await put(root, `triggers/${name}`, lines.map((line) => `${line}\n`).join(''));
  }
}

/** As `dpkg --add-architecture` writes them down: dpkg's own, then the others. */
function architecturesOf(files: readonly PackageFile[]): string[] {
  const own = files.find((file) => file.package === 'dpkg' && file.architecture !== 'all')?.architecture;
  const found = new Set(
    files.map((file) => file.architecture).filter((name) => name !== 'all' && name !== own),
  );
  return [...(own === undefined ? [] : [own]), ...[...found].sort()];
}

function status({ control, conffiles }: UnpackedPackage): string {
  const fields = [...control.fields].filter(([name]) => name !== 'Package' && name !== 'Status');
  const lines = control.conffiles.map(({ path, removed }) => {
    const md5 = conffiles.get(path) ?? 'newconffile';
    return `\n ${path} ${md5}${removed ? ' remove-on-upgrade' : ''}`;
  });
  const stanza = new Map([
    ['Package', control.file.package],
    ['Status', 'install ok unpacked'],
    ...fields.filter(([name]) => name !== 'Description'),
  ] as [string, string][]);
  if (lines.length > 0) stanza.set('Conffiles', lines.join(''));
  const description = control.fields.get('Description');
  if (description !== undefined) stanza.set('Description', description);
  return formatStanza(stanza);
}

async function writeInfo(root: string, { control, paths, md5sums }: UnpackedPackage): Promise<void> {
  if (md5sums !== undefined) await put(root, `info/${control.id}.md5sums`, md5sums);
  await put(root, `info/${control.id}.list`, paths.map((path) => `${path}\n`).join(''));
  for (const member of control.members) {
    await copyFile(
      join(control.folder, member),
      join(root, ADMINISTRATION, 'info', `${control.id}.${member}`),
    );
  }
}

async function put(root: string, path: string, content: string): Promise<void> {
  await writeFile(join(root, ADMINISTRATION, path), content);
}
