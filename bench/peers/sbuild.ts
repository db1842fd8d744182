import { createHash } from 'node:crypto';
import {
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../host/run.ts';
import type { LockedPackage } from '../../schema/lock.ts';
import type { Inputs } from './inputs.ts';
import { OWN_NAMESPACES, runTimed, type TimedLine } from './lines.ts';
import type { Bench, Peer, Spans } from './peer.ts';

const USER = 'sbuild';
const MARK = '@@slipway end';
/** Uids of sbuild's root and of everybody in it, for the time of one build: in a mount namespace of its own. */
const SUBORDINATE = `${USER}:655360:65536\n`;
const ENTER = `set -e
mount --bind "$1" /etc/subuid; mount --bind "$1" /etc/subgid; mount --bind "$2" "$3"
shift 3; exec "$@"`;

/**
 * Debian's sbuild in its unshare mode, from a tarball with build-essential, which is made before anybody asks, and a
 * repository of the lock's other packages in it. Unpacking it and installing them is counted.
 */
export function sbuildPeer({ folder, home }: Bench): Peer {
  let tarball = '';
  return {
    name: 'sbuild',
    isLong: false,
    rounds: 'many',
    missing: async () => missing(),
    prepare: async (all) => {
      tarball = await keptTarball(all, { folder, home });
    },
    measure: async (inputs) => {
      const work = await mkdtemp(join(folder, 'sbuild-'));
      try {
        return await build(inputs, work, tarball);
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    },
  };
}

async function missing(): Promise<string | undefined> {
  const programs = {
    sbuild: 'sbuild',
    mmdebstrap: 'mmdebstrap',
    newuidmap: 'uidmap',
    'dpkg-scanpackages': 'dpkg-dev',
  };
  const absent: string[] = [];
  for (const [program, debianPackage] of Object.entries(programs)) {
    const { exitCode } = await run(['which', program], { accept: [1] });
    if (exitCode !== 0) absent.push(debianPackage);
  }
  if (absent.length > 0)
    return `not installed: SLIPWAY_SETUP=bench scripts/setup brings ${absent.join(', ')}`;
  return process.getuid?.() === 0 ? undefined : 'needs root';
}

/** Made once for the same packages, and kept until it is for others. */
async function keptTarball(
  all: readonly Inputs[],
  { folder, home }: Pick<Bench, 'folder' | 'home'>,
): Promise<string> {
  const names = offered(all).map(({ file }) => file);
  const digest = createHash('sha256').update(names.sort().join('\n')).digest('hex');
  const name = `sbuild-${digest.slice(0, 16)}.tar`;
  const tarball = join(home, name);
  const kept = (await readdir(home)).filter((entry) => /^sbuild-.*\.tar/.test(entry));
  if (!kept.includes(name)) {
    // mmdebstrap goes by how the name ends.
    const aside = join(home, `new-${name}`);
    await rm(aside, { force: true });
    await makeTarball(all, folder, aside);
    await rename(aside, tarball);
  }
  for (const other of kept) if (other !== name) await rm(join(home, other), { force: true });
  return tarball;
}

async function makeTarball(all: readonly Inputs[], folder: string, tarball: string): Promise<void> {
  const repository = join(folder, 'sbuild-repository');
  await mkdir(repository);
  for (const { file, from } of offered(all)) await copyFile(from, join(repository, file));
  await run(['dpkg-scanpackages', '--multiversion', '.', '/dev/null'], {
    cwd: repository,
    stdout: { file: join(repository, 'Packages') },
  });
  const hooks = [
    'mkdir -p "$1/srv/repository"',
    `sync-in ${repository} /srv/repository`,
    'rm -rf "$1"/etc/apt/sources.list.d/* "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/archives/*.deb',
    'echo "deb [trusted=yes] file:/srv/repository ./" >"$1/etc/apt/sources.list"',
    'chroot "$1" apt-get -o APT::Sandbox::User=root update',
  ];
  await run([
    ...['mmdebstrap', '--variant=buildd', '--mode=root', '--skip=cleanup/apt'],
    ...hooks.map((hook) => `--customize-hook=${hook}`),
    ...[await suite(), tarball],
  ] as [string, ...string[]]);
  await rm(repository, { recursive: true });
}

/** The machine's own, whose mirrors mmdebstrap then takes. */
async function suite(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8');
  const [, codename] = /^VERSION_CODENAME=(\S+)$/m.exec(release) ?? [];
  if (codename === undefined) throw new Error('/etc/os-release names no release of Debian');
  return codename;
}

/** What a build adds to build-essential, and fakeroot, which slipway counts among what all builds have. */
function offered(all: readonly Inputs[]): { file: string; from: string }[] {
  const files = new Map<string, string>();
  for (const { lock, path } of all) {
    const fakeroot = lock.base.filter((entry) => /^(lib)?fakeroot$/.test(entry.package));
    for (const entry of [...lock.dependencies, ...fakeroot]) files.set(nameOf(entry), path(entry.sha256));
  }
  return [...files].map(([file, from]) => ({ file, from }));
}

function nameOf({ package: name, sha256, architecture }: LockedPackage): string {
  return `${name}_${sha256.slice(0, 8)}_${architecture}.deb`;
}

async function build(inputs: Inputs, work: string, tarball: string): Promise<Spans> {
  const { dsc = '', files } = inputs.lock.source;
  const user = await userId();
  for (const name of ['sources', 'results', 'home']) {
    await mkdir(join(work, name));
    await chown(join(work, name), user.uid, user.gid);
  }
  await chmod(work, 0o755);
  for (const { name, sha256 } of files) {
    const file = join(work, 'sources', name);
    await copyFile(inputs.path(sha256), file);
    await chown(file, user.uid, user.gid);
  }
  const subordinate = join(work, 'subordinate');
  await writeFile(subordinate, SUBORDINATE);
  // Where it is kept may be nobody else's to enter.
  const chroot = join(work, 'chroot.tar');
  await writeFile(chroot, '');
  const parallel = inputs.request.resources.cpus;
  const ran = await runTimed(
    [
      ...OWN_NAMESPACES,
      ...['sh', '-c', ENTER, 'enter', subordinate, tarball, chroot],
      ...['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', 'sbuild'],
      ...['--chroot-mode=unshare', `--chroot=${chroot}`, '--dist=stable', '--verbose', `-j${parallel}`],
      ...['--arch-any', '--arch-all', '--no-source', '--no-run-lintian'],
      ...['--no-apt-update', '--no-apt-upgrade', '--no-apt-distupgrade', '--build-dep-resolver=apt'],
      ...[`--finished-build-commands=echo ${MARK}`, join(work, 'sources', dsc)],
    ] as [string, ...string[]],
    {
      cwd: join(work, 'results'),
      env: environment(join(work, 'home')),
      log: join(work, 'log'),
      timeoutSeconds: 1800,
    },
  );
  if (ran.exitCode !== 0) throw new Error(`sbuild failed:\n${lastLines(ran.lines)}`);
  return spansOfSbuild(ran.lines, ran.seconds);
}

/** The source is unpacked under a heading of its own; a hook of sbuild says when dpkg-buildpackage has ended. */
export function spansOfSbuild(lines: readonly TimedLine[], seconds: number): Spans {
  const begin = lines.find(({ text }) => text === 'Unpack source')?.at;
  const end = lines.find(({ text }) => text === MARK)?.at;
  if (begin === undefined || end === undefined)
    throw new Error('sbuild’s log does not say when the build began and ended');
  return { before: begin, own: end - begin, after: seconds - end };
}

function environment(home: string): Record<string, string> {
  const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
  return { PATH, HOME: home, TMPDIR: home, LC_ALL: 'C.UTF-8', USER, LOGNAME: USER };
}

async function userId(): Promise<{ uid: number; gid: number }> {
  const line = (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .find((text) => text.startsWith(`${USER}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`no user ${USER}: the package sbuild makes it`);
  return { uid: Number(uid), gid: Number(gid) };
}

/** For messages. */
export function lastLines(lines: readonly TimedLine[]): string {
  return lines
    .slice(-20)
    .map(({ text }) => text)
    .join('\n');
}
