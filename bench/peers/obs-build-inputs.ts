import { copyFile, link, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cpio } from '../../guest/cpio.ts';
import { moduleFiles, unpackKernel } from '../../guest/kernel.ts';
import { quote, run } from '../../host/run.ts';
import { WORK_DIRECTORY } from '../../recipes/debian/build-commands.ts';
import type { GuestCommand } from '../../vm/vm.ts';
import { type Inputs, rootPackages } from './inputs.ts';

/** What build's own scripts run on in the guest before the first package is installed there by dpkg. */
const PREINSTALL =
  /^(base-(files|passwd)|bash|coreutils|dash|debconf|debianutils|diffutils|dpkg|findutils|grep|gzip|hostname|init-system-helpers|libc-bin|login|mawk|mount|ncurses-(base|bin)|passwd|perl(-base|-modules-.*)?|libperl.*|sed|sysvinit-utils|tar|util-linux(-extra)?|xz-utils|gcc-[0-9]+-base|libc6|libgcc-s1|libcrypt1|libacl1|libattr1|libaudit.*|libblkid1|libbz2-.*|libcap(2|-ng0)|libcom-err2|libdb5.*|libdebconfclient0|libgdbm.*|libgmp10|libgpg-error0|libgcrypt20|liblz4-1|liblzma5|libmd0|libmount1|libpam.*|libpcre2-8-0|libselinux1|libsmartcols1|libsystemd0|libtinfo6|libudev1|libuuid1|libzstd1|zlib1g)$/;

/** By OBS' custom, the package that brings the guest's kernel and initrd. */
const KERNEL = 'kernel-obs-build';

/** The initramfs' only work: modules, devices by the names that build expects, and on into the root. */
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /r
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do /bin/busybox insmod "$module"; done
/bin/busybox mkdir -p /dev/disk/by-id
for disk in /sys/block/vd*; do
  serial=$(/bin/busybox cat $disk/serial)
  /bin/busybox ln -s ../../\${disk##*/} /dev/disk/by-id/virtio-$serial
done
for word in $(/bin/busybox cat /proc/cmdline); do
  case $word in
  root=*) root=\${word#root=} ;;
  rootfstype=*) type=\${word#rootfstype=} ;;
  rootflags=*) flags=,\${word#rootflags=} ;;
  init=*) init=\${word#init=} ;;
  esac
done
/bin/busybox mount -t "$type" -o "rw$flags" "$root" /r
for folder in dev proc sys; do /bin/busybox mkdir -p /r/$folder; /bin/busybox mount --move /$folder /r/$folder; done
exec /bin/busybox switch_root /r "$init"
`;

/** What obs-build is given, all outside of its checkout. */
export interface ObsInputs {
  /** The .dsc, in a folder with the sources and build.script. */
  recipe: string;
  /** Name and file of each package, and which of them come first: what an OBS worker gives to build. */
  list: string;
  configuration: string;
}

/** Lays out what obs-build needs: sources, packages by name, the guest's kernel as a package, the list of all. */
export async function layOutForObs(inputs: Inputs, folder: string): Promise<ObsInputs> {
  const debs = join(folder, 'debs');
  const sources = join(folder, 'sources');
  for (const path of [debs, sources]) await mkdir(path, { recursive: true });
  const packages = rootPackages(inputs).map((entry) => ({
    ...entry,
    file: join(debs, `${entry.package}.deb`),
  }));
  for (const { sha256, file } of packages) await linkOrCopy(inputs.path(sha256), file);
  const { dsc, files } = inputs.lock.source;
  if (dsc === undefined) throw new TypeError('the lock names no .dsc');
  for (const { name, sha256 } of files) await copyFile(inputs.path(sha256), join(sources, name));
  await writeFile(join(sources, 'build.script'), buildScript(inputs));
  const mount = { package: 'mount', file: await download('mount', folder) };
  const kernel = { package: KERNEL, file: await kernelPackage(inputs, folder) };
  const list = join(folder, 'packages');
  await writeFile(list, packageList([...packages, mount, kernel]));
  const configuration = join(folder, 'debian.conf');
  await copyFile(join(import.meta.dirname, 'obs-build.conf'), configuration);
  return { recipe: join(sources, dsc), list, configuration };
}

/** As build reads it with --rpmlist. */
export function packageList(packages: readonly { package: string; file: string }[]): string {
  const first = packages.map((entry) => entry.package).filter((name) => PREINSTALL.test(name));
  return [
    ...packages.map((entry) => `${entry.package} ${entry.file}`),
    `preinstall: ${first.join(' ')}`,
    `vminstall: ${KERNEL}`,
    'runscripts: base-passwd base-files mawk',
    '',
  ].join('\n');
}

/**
 * build's own hook in the place of dpkg-buildpackage: the recipe's commands, with their environment, in other folders.
 * build has unpacked the source once already; it is unpacked again here, so that what is timed is the same everywhere.
 */
export function buildScript({ plan }: Pick<Inputs, 'plan'>): string {
  const commands = plan.build.filter(({ argv }) => /^dpkg-/.test(argv[0]));
  return [
    'printf \'@@slipway begin %s\\n\' "$(date +%s.%N)"',
    'set -e',
    ...commands.map(scriptLine),
    'printf \'@@slipway end %s\\n\' "$(date +%s.%N)"',
    '',
  ].join('\n');
}

const TOP = '/usr/src/packages';

function scriptLine({ argv, env, cwd }: GuestCommand): string {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const words = argv.map((word) => (word.endsWith('.dsc') ? `${TOP}/SOURCES/${word}` : word));
  const folder = cwd.replace(WORK_DIRECTORY, TOP);
  return ['cd', folder, '&&', 'env', '-i', ...[...variables, ...words].map(quote)].join(' ');
}

/** The Debian kernel that slipway's guests boot, with an initramfs that does nothing but mount. */
async function kernelPackage({ lock, path }: Inputs, folder: string): Promise<string> {
  if (lock.kernel === undefined) throw new Error('the lock has no kernel: unset kernel in the configuration');
  const kernel = await unpackKernel({ debs: [path(lock.kernel.sha256)], cache: folder });
  const modules = await moduleFiles(kernel, ['virtio_pci', 'virtio_blk', 'ext4']);
  const tree = join(folder, 'kernel');
  await mkdir(join(tree, 'DEBIAN'), { recursive: true });
  await copyFile(kernel.image, join(tree, '.build.kernel.kvm'));
  const entries = [
    { path: 'init', mode: 0o755, content: INIT },
    { path: 'bin/busybox', mode: 0o755, content: await readFile('/bin/busybox') },
    ...(await Promise.all(
      modules.map(async (file, index) => ({
        path: `modules/${String(index).padStart(3, '0')}-${basename(file)}`,
        mode: 0o644,
        content: await readFile(file),
      })),
    )),
  ];
  await writeFile(join(tree, '.build.initrd.kvm'), cpio(entries));
  const fields = [
    'Package: kernel-obs-build',
    'Version: 1',
    'Architecture: all',
    'Maintainer: nobody <nobody@localhost>',
  ];
  await writeFile(
    join(tree, 'DEBIAN', 'control'),
    `${fields.join('\n')}\nDescription: kernel and initrd of a guest\n`,
  );
  const deb = join(folder, `${KERNEL}.deb`);
  await run(['dpkg-deb', '--build', '--root-owner-group', '-Zgzip', '-z1', tree, deb]);
  return deb;
}

/** What build needs in its guest and the lock has not. */
async function download(name: string, folder: string): Promise<string> {
  const into = join(folder, 'extra');
  await mkdir(into, { recursive: true });
  await run(['apt-get', 'download', name], { cwd: into });
  const { stdout } = await run(['find', into, '-name', `${name}_*.deb`]);
  const [found = ''] = stdout.trim().split('\n');
  const file = join(folder, `${name}.deb`);
  await copyFile(found, file);
  return file;
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => copyFile(from, to));
}
