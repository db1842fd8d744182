import { copyFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CommandFailed, run } from '../../host/run.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

export const CHECKOUT = resolve(import.meta.dirname, '..', '..');

/** What set-up may use of the machine as it is: nothing that installs or reaches out. */
const REAL = [
  ...['bash', 'sh', 'cat', 'dirname', 'env', 'flock', 'grep', 'head', 'mkdir', 'mktemp', 'mv', 'rm', 'rmdir'],
  ...['sort', 'touch', 'sleep', 'chmod', 'basename', 'cp'],
];

/** Fake programs: each writes its name and arguments to the list of calls, then does this. */
const FAKES = {
  'apt-get': 'case "$*" in *install*) touch "$ROOT/installed";; esac',
  'dpkg-query':
    'for word; do if [ -e "$ROOT/installed" ] || [ "$word" = gpgv ]; then echo "$word installed"; fi; done',
  id: 'echo 0',
  // The modules bring Node, which asks for the configuration of Temporal or fetches the server.
  npm: 'mkdir -p node_modules/.bin; cp "$ROOT/bin/node" node_modules/.bin/node',
  node: 'case "$1" in scripts/*) echo "#!/bin/sh" >"$2/temporal"; chmod 755 "$2/temporal";; *) exit 1;; esac',
  timeout: 'shift 3; exec "$@"',
  go: 'if [ "$1" = env ]; then echo go1.25.0; exit; fi; name=temporal; case "$2" in */versitygw@*) name=versitygw;; esac; mkdir -p "$GOBIN"; echo "#!/bin/sh" >"$GOBIN/$name"; chmod 755 "$GOBIN/$name"',
  sudo: 'exec "$@"',
  temporal: '',
  versitygw: '',
} as const;
type Fake = keyof typeof FAKES;

export interface FakeMachine {
  /** Runs set-up in the copy and returns what it said and what it called since the last time. */
  setup(env?: Record<string, string>): Promise<{ said: string; exitCode: number; calls: string[] }>;
  /** Gives the machine a program that does something else; `undefined` takes it away. */
  program(name: Fake, body: string | undefined): Promise<void>;
  /** Puts an executable into the copy. */
  executable(path: string, body: string): Promise<void>;
}

/** A copy of set-up on a machine with nothing but fake programs: nothing is ever installed. */
export async function fakeMachine(): Promise<FakeMachine> {
  const root = await temporaryFolder();
  const bin = join(root, 'bin');
  const copy = join(root, 'copy');
  await mkdir(join(copy, 'scripts'), { recursive: true });
  await mkdir(bin);
  await copyFile(join(CHECKOUT, 'scripts', 'setup'), join(copy, 'scripts', 'setup'));
  await writeFile(join(copy, 'package-lock.json'), '{}');
  for (const name of REAL) await symlink(await which(name), join(bin, name));
  const executable = async (path: string, body: string) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `#!/bin/sh\nprintf '%s\\n' "$(basename "$0") $*" >>"$ROOT/calls"\n${body}\n`, {
      mode: 0o755,
    });
  };
  const program = (name: Fake, body: string | undefined) =>
    body === undefined ? rm(join(bin, name), { force: true }) : executable(join(bin, name), body);
  for (const [name, body] of Object.entries(FAKES)) {
    if (!['sudo', 'temporal', 'versitygw'].includes(name)) await program(name as Fake, body);
  }
  return {
    program,
    executable: (path, body) => executable(join(copy, path), body),
    setup: async (env = {}) => {
      const calls = join(root, 'calls');
      await writeFile(calls, '');
      const of = { PATH: bin, ROOT: root, HOME: root, TMPDIR: root, ...env };
      const { stdout, stderr, exitCode } = await run([join(copy, 'scripts', 'setup')], {
        env: of,
        accept: [1, 2, 127],
        timeout: 25_000,
      });
      const lines = (await readFile(calls, 'utf8')).trimEnd().split('\n');
      return {
        said: stdout + stderr,
        exitCode,
        calls: lines.filter((line) => /^(?!id |dpkg-query )\S/.test(line)),
      };
    },
  };
}

async function which(name: string): Promise<string> {
  for (const folder of ['/usr/bin', '/bin']) {
    const path = join(folder, name);
    try {
      await run(['test', '-x', path]);
      return path;
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
    }
  }
  throw new Error(`this machine has no ${name}`);
}
