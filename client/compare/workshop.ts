import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandFailed, type RunOptions, run } from '../../host/run.ts';

const NOBODY = 65_534;
const MIB = 1024 * 1024;

/** Limits of each program that reads what a build made. */
export const PROGRAM_MEMORY_MIB = 4096;
export const PROGRAM_FILE_MIB = 4096;

/** A program of a workshop that could not do its work; the message says why, with the program's last words. */
export class ToolFailed extends Error {
  override readonly name = 'ToolFailed';
}

/** A temporary folder for what builds made and for the programs that read it; gone with all in it at the end. */
export interface Workshop extends AsyncDisposable {
  /** Only this process writes in it. */
  folder: string;
  /** Lets those programs read what was put there; `mode` of a folder 0o750, default 0o640. */
  show(path: string, mode?: number): Promise<void>;
  /**
   * Runs a program over what a build made: never as root, without a way to gain rights, bounded in time, memory and size
   * of files. Its process group ends with it.
   * @throws ToolFailed
   */
  run(
    argv: readonly string[],
    options: Pick<RunOptions, 'accept' | 'stdout' | 'maxBuffer'> & { seconds: number },
  ): ReturnType<typeof run>;
}

export async function openWorkshop(): Promise<Workshop> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-compare-'));
  const isRoot = process.getuid?.() === 0;
  const show = async (path: string, mode = 0o640) => {
    if (!isRoot) return;
    await chown(path, 0, NOBODY);
    await chmod(path, mode);
  };
  const temporary = join(folder, 'tmp');
  const confined: Workshop['run'] = ([program = '', ...args], { seconds, ...options }) =>
    run([...around(seconds, isRoot), program, ...args], {
      ...options,
      cwd: temporary,
      env: { HOME: temporary, TMPDIR: temporary },
      timeout: (seconds + 10) * 1000,
    }).catch((error: unknown) => {
      throw error instanceof CommandFailed
        ? new ToolFailed(why(error, program, seconds), { cause: error })
        : error;
    });
  await mkdir(temporary, { mode: 0o700 });
  await show(folder, 0o750);
  if (isRoot) await chown(temporary, NOBODY, NOBODY);
  return {
    folder,
    show,
    run: confined,
    [Symbol.asyncDispose]: async () => {
      // What they left is theirs: root does not walk through folders that somebody else may change.
      if (isRoot) await confined(['find', '.', '-mindepth', '1', '-delete'], { seconds: 60 }).catch(ignored);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What stands before the program. */
function around(seconds: number, isRoot: boolean): [string, ...string[]] {
  const nobody = ['--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups', '--bounding-set=-all'];
  return [
    ...(['timeout', '--kill-after=5', `${seconds}`] as const),
    ...['prlimit', '--core=0', `--as=${PROGRAM_MEMORY_MIB * MIB}`, `--fsize=${PROGRAM_FILE_MIB * MIB}`, '--'],
    ...['setpriv', '--no-new-privs', ...(isRoot ? nobody : []), '--'],
  ];
}

/** `timeout` ends with 124 or 137 where it was needed, `setpriv` with 127 where there is no such program. */
function why({ exitCode, code, stderr, argv }: CommandFailed, program: string, seconds: number): string {
  if (code === 'ENOENT') return `${argv[0]} is not installed`;
  if (exitCode === 127) return `${program} is not installed`;
  if (exitCode === 124 || exitCode === 137) return `${program} was stopped after ${seconds} s`;
  const said = stderr.trim().split('\n').slice(-3).join('\n');
  return `${program} failed${exitCode === undefined ? '' : ` with exit code ${exitCode}`}${said === '' ? '' : `: ${said}`}`;
}

function ignored(error: unknown): void {
  if (!(error instanceof ToolFailed)) throw error;
}
