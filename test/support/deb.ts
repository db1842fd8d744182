import { chmod, lutimes, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../../host/run.ts';
import type { PackageFile } from '../../recipes/debian/build-root/package-control.ts';

export interface DebDescription {
  package: string;
  version?: string;
  architecture?: string;
  /** More control fields. */
  fields?: Record<string, string>;
  /** Members of the control archive; scripts are executable. */
  control?: Record<string, string>;
  /** Files by absolute path: their content, or where a link leads. */
  files?: Record<string, string | { link: string }>;
  /** Whatever else is to be done to the folder before it is packed. */
  prepare?: (root: string) => Promise<unknown>;
}

const SCRIPTS = ['preinst', 'postinst', 'prerm', 'postrm', 'config'];

/** Builds a real Debian package below `folder`. */
export async function buildDeb(folder: string, description: DebDescription): Promise<PackageFile> {
  const { package: name, version = '1.0', architecture = 'all' } = description;
  const root = await mkdtemp(join(folder, `${name}-`));
  await chmod(root, 0o755);
  for (const [path, content] of Object.entries(description.files ?? {})) {
    const target = join(root, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    if (typeof content === 'string') await writeFile(target, content);
    else await symlink(content.link, target);
    await lutimes(target, 1_000_000_000, 1_000_000_000);
  }
  await mkdir(join(root, 'DEBIAN'), { mode: 0o755 });
  const fields = {
    Package: name,
    Version: version,
    Architecture: architecture,
    Maintainer: 'Nobody <nobody@localhost>',
    ...description.fields,
    Description: 'for a test',
  };
  const lines = Object.entries(fields).map(([field, value]) => `${field}: ${value}\n`);
  await writeFile(join(root, 'DEBIAN/control'), lines.join(''));
  for (const [member, content] of Object.entries(description.control ?? {})) {
    await writeFile(join(root, 'DEBIAN', member), content, {
      mode: SCRIPTS.includes(member) ? 0o755 : 0o644,
    });
  }
  await description.prepare?.(root);
  const path = `${root}.deb`;
  await run(['dpkg-deb', '--build', '--nocheck', '-Znone', root, path]);
  return { path, package: name, version, architecture };
}

/** Puts a package together from two tar archives that dpkg-deb itself would not make. */
export async function assembleDeb(
  folder: string,
  name: string,
  archives: { control: string; data: string },
): Promise<PackageFile> {
  const parts = await mkdtemp(join(folder, `${name}-`));
  await writeFile(join(parts, 'debian-binary'), '2.0\n');
  await run(['cp', archives.control, join(parts, 'control.tar')]);
  await run(['cp', archives.data, join(parts, 'data.tar')]);
  const path = `${parts}.deb`;
  await run(['ar', 'rc', path, 'debian-binary', 'control.tar', 'data.tar'], { cwd: parts });
  return { path, package: name, version: '1.0', architecture: 'all' };
}
