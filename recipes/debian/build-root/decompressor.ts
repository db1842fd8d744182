import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CommandFailed } from '../../../host/run.ts';

/** By how the archives of packages are named. zstd reads all but one, and writes in large pieces. */
const PROGRAMS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  '.gz': ['zstd', '-dcq'],
  '.xz': ['zstd', '-dcq'],
  '.zst': ['zstd', '-dcq'],
  '.lzma': ['zstd', '-dcq'],
  '.bz2': ['bzip2', '-dc'],
};

/** A program that decompresses what it is given. What follows each other in one format is one to it. */
export class Decompressor implements AsyncDisposable {
  readonly output: Readable;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  readonly #fed: Promise<void>;

  /** @throws SyntaxError where nothing reads that compression */
  constructor(compression: string, input: AsyncIterable<Buffer>) {
    const argv = PROGRAMS[compression];
    if (argv === undefined) throw new SyntaxError(`it is compressed as ${compression}, which is not known`);
    const [program, ...args] = argv;
    const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };
    this.#child = spawn(program, args, { stdio: 'pipe', env });
    this.output = this.#child.stdout;
    this.#ended = endOf(this.#child, argv);
    this.#fed = pipeline(Readable.from(input, { objectMode: true }), this.#child.stdin);
    // Both are asked for only once all output is read.
    this.#ended.catch(() => undefined);
    this.#fed.catch(() => undefined);
  }

  /** After all output was read. @throws CommandFailed; what the input throws */
  async end(): Promise<void> {
    // Its own words first: input that nobody takes any more is what follows from them.
    await this.#ended;
    await this.#fed;
  }

  /** Ends it where it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await Promise.allSettled([this.#ended, this.#fed]);
  }
}

function endOf(child: ChildProcessWithoutNullStreams, argv: readonly string[]): Promise<void> {
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'ENOENT' ? 'is not installed' : `could not be run (${error.message})`;
      reject(new CommandFailed(argv, reason, { code: error.code }));
    });
    child.once('exit', (code, signal) => {
      if (code === 0) return resolve();
      const reason = signal === null ? `failed with exit code ${code}` : `was killed by ${signal}`;
      const of = { exitCode: code ?? undefined, code: signal ?? undefined, stderr };
      reject(new CommandFailed(argv, reason, of));
    });
  });
}
