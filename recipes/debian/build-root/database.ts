import type { PackageControl, PackageInput } from './package-control.ts';
import { formatStanza } from './stanza.ts';
import { interests } from './triggers.ts';

/** A package that is unpacked but not configured. */
export interface UnpackedPackage {
  control: PackageControl;
  /** Absolute paths that it owns, without a slash at the end, in the order of its archive; the root is `/.`. */
  paths: readonly string[];
  /**
   * MD5 by path: of its conffiles, for dpkg to know later whether somebody changed one; of all files of a package that
   * brings no list of them.
   */
  md5: ReadonlyMap<string, string>;
}

/** A file of dpkg's database. */
export interface DatabaseFile {
  /** Relative to the root. */
  path: string;
  content: Buffer;
  executable: boolean;
}

/** dpkg's folder, relative to the root. */
const ADMINISTRATION = 'var/lib/dpkg';

/**
 * dpkg's own database of packages that are unpacked and not configured, as dpkg writes it.
 * @param later packages that dpkg itself is to unpack: it must know their architectures
 */
export function databaseOf(
  packages: readonly UnpackedPackage[],
  later: readonly PackageInput[] = [],
): DatabaseFile[] {
  const sorted = packages.toSorted((a, b) => (a.control.id < b.control.id ? -1 : 1));
  const controls = sorted.map(({ control }) => control);
  const architectures = architecturesOf([...controls.map(({ file }) => file), ...later]);
  return [
    text('info/format', '1\n'),
    text('status', sorted.map(status).join('\n')),
    text('available', ''),
    text('diversions', ''),
    text('statoverride', ''),
    ...(architectures.length > 1 ? [text('arch', lines(architectures))] : []),
    ...sorted.flatMap(infoOf),
    ...[...interests(controls)].map(([name, who]) => text(`triggers/${name}`, lines(who))),
  ];
}

/** As `dpkg --add-architecture` writes them down: dpkg's own, then the others. */
function architecturesOf(files: readonly PackageInput[]): string[] {
  const own = files.find((file) => file.package === 'dpkg' && file.architecture !== 'all')?.architecture;
  const found = new Set(
    files.map((file) => file.architecture).filter((name) => name !== 'all' && name !== own),
  );
  return [...(own === undefined ? [] : [own]), ...[...found].sort()];
}

function status({ control, md5 }: UnpackedPackage): string {
  const fields = [...control.fields].filter(([name]) => name !== 'Package' && name !== 'Status');
  const conffiles = control.conffiles.map(
    ({ path, removed }) =>
      `\n ${path} ${md5.get(path) ?? 'newconffile'}${removed ? ' remove-on-upgrade' : ''}`,
  );
  const stanza = new Map([
    ['Package', control.file.package],
    ['Status', 'install ok unpacked'],
    ...fields.filter(([name]) => name !== 'Description'),
  ] as [string, string][]);
  if (conffiles.length > 0) stanza.set('Conffiles', conffiles.join(''));
  const description = control.fields.get('Description');
  if (description !== undefined) stanza.set('Description', description);
  return formatStanza(stanza);
}

function infoOf({ control, paths, md5 }: UnpackedPackage): DatabaseFile[] {
  const name = (member: string) => `info/${control.id}.${member}`;
  const brought = [...control.members].map(([member, of]) => ({ ...text(name(member), ''), ...of }));
  const list = text(name('list'), lines(paths));
  if (control.members.has('md5sums')) return [...brought, list];
  const conffiles = new Set(control.conffiles.map(({ path }) => path));
  const summed = paths.filter((path) => md5.has(path) && !conffiles.has(path));
  const sums = lines(summed.map((path) => `${md5.get(path)}  ${path.slice(1)}`));
  return [...brought, list, text(name('md5sums'), sums)];
}

function lines(of: readonly string[]): string {
  return of.map((line) => `${line}\n`).join('');
}

function text(path: string, content: string): DatabaseFile {
  return { path: `${ADMINISTRATION}/${path}`, content: Buffer.from(content, 'latin1'), executable: false };
}
