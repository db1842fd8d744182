import { execa, type Options } from 'execa';

/** A command that could not be run or ended badly; its message says how to repeat it by hand. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly argv: readonly string[];
  /** Undefined where it never ran or was killed. */
  readonly exitCode: number | undefined;
  /** `ENOENT` where the program is missing, `SIGKILL` and the like where it was killed. */
  readonly code: string | undefined;
  readonly stdout: string;
  readonly stderr: string;

  constructor(
    argv: readonly string[],
    reason: string,
    of: { exitCode?: number | undefined; code?: string | undefined; stdout?: string; stderr?: string },
  ) {
    const said = (of.stderr || of.stdout || '').trim().split('\n').slice(-10).join('\n');
    super(`${argv[0]} ${reason}${said === '' ? '' : `:\n${said}`}\nTo repeat: ${argv.map(quote).join(' ')}`);
    this.argv = argv;
    this.exitCode = of.exitCode;
    this.code = of.code;
    this.stdout = of.stdout ?? '';
    this.stderr = of.stderr ?? '';
  }
}

export interface RunOptions {
  /** Ends the command: SIGTERM, after 5 s SIGKILL. The abort's reason is thrown as it is. */
  signal?: AbortSignal;
  /** Milliseconds, then it is killed. Default 10 minutes. */
  timeout?: number;
  cwd?: string;
  /** The whole environment beside PATH and LC_ALL: nothing is inherited. */
  env?: Record<string, string>;
  input?: Options['input'];
  /** A descriptor of this process that becomes the command's standard input, in the place of `input`. */
  stdin?: number;
  /** Where standard output goes instead of into the result; a descriptor of this process stays open here. */
  stdout?: { file: string } | { fd: number };
  /** Exit codes beside 0 that are no failure. */
  accept?: readonly number[];
  /** Characters kept of each stream. Default 10 million. */
  maxBuffer?: number;
}

/**
 * Runs one external command: an argv array, no shell, a minimal environment, always bounded in time.
 * @throws CommandFailed; or the signal's reason where it was aborted
 */
export async function run(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  const [program, ...args] = argv;
  options.signal?.throwIfAborted();
  const result = await execa(program, args, {
    reject: false,
    extendEnv: false,
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LC_ALL: 'C.UTF-8',
      ...options.env,
    },
    stdin: options.stdin ?? (options.input === undefined ? 'ignore' : 'pipe'),
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.stdout === undefined
      ? {}
      : { stdout: 'fd' in options.stdout ? options.stdout.fd : options.stdout }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    timeout: options.timeout ?? 600_000,
    forceKillAfterDelay: 5_000,
    maxBuffer: options.maxBuffer ?? 10_000_000,
    stripFinalNewline: false,
  } as Options);
  options.signal?.throwIfAborted();
  const stdout = typeof result.stdout === 'string' ? result.stdout : '';
  const stderr = typeof result.stderr === 'string' ? result.stderr : '';
  const { exitCode } = result;
  if (!result.failed || (exitCode !== undefined && options.accept?.includes(exitCode))) {
    return { stdout, stderr, exitCode: exitCode ?? 0 };
  }
  const code = result.code ?? result.signal;
  throw new CommandFailed(argv, describe(result, options.timeout ?? 600_000), {
    exitCode,
    code,
    stdout,
    stderr,
  });
}

function describe(
  result: { code?: unknown; timedOut: boolean; signal?: unknown; exitCode?: unknown; shortMessage?: unknown },
  timeout: number,
): string {
  if (result.code === 'ENOENT') return 'is not installed';
  if (result.timedOut) return `was killed after its time limit of ${timeout / 1000} s`;
  if (result.signal !== undefined) return `was killed by ${result.signal}`;
  if (result.exitCode !== undefined) return `failed with exit code ${result.exitCode}`;
  return `could not be run (${result.shortMessage})`;
}

/** Quotes one word for a POSIX shell, only where it must be. For messages, never for running. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
