import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./hold-mount.sh', import.meta.url));

/** Programs that a mount needs, all of util-linux and mount. */
export const MOUNT_PROGRAMS = ['flock', 'unshare', 'mount', 'umount'] as const;

export interface HolderArguments {
  /** Locked as long as it or a program that it runs lives: that leads to it when nobody knows its pid any more. */
  lock: string;
  type: string;
  options: readonly string[];
  disk: string;
  /** Where in its own mount namespace. */
  at: string;
}

/**
 * A process that keeps a disk mounted in a mount namespace of its own, and ends when this process does: the kernel
 * closes its standard input.
 */
export class MountHolder {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;
  readonly #ended = new AbortController();
  #said = '';
  #failed: Error | undefined;

  private constructor(of: HolderArguments) {
    this.#child = spawn('flock', commandOf(of), {
      stdio: 'pipe',
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
      cwd: '/',
      // Not of the terminal's group: a Ctrl-C is for the worker, which ends it in order.
      detached: true,
    });
    this.#answers = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-4000);
    });
    // It may end while a word is on its way to it.
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('error', (error) => {
      this.#failed = error;
      this.#ended.abort();
    });
    this.#child.on('exit', () => this.#ended.abort());
  }

  /** Starts it; the first answer says whether the disk is mounted. */
  static start(of: HolderArguments): MountHolder {
    return new MountHolder(of);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Aborted once it lives no more. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Its next answer; undefined where it ended instead. */
  async answer(): Promise<string | undefined> {
    const { value, done } = await this.#answers.next();
    return done === true ? undefined : value;
  }

  ask(word: 'sync' | 'unmount'): Promise<string | undefined> {
    this.#child.stdin.write(`${word}\n`);
    return this.answer();
  }

  /** What it complained of since this was last asked. */
  complaint(): string {
    const said = this.#said.trim() || this.#failed?.message || 'it ended without a word';
    this.#said = '';
    return said;
  }

  /** Lets it end by itself; returns when it has. */
  async end(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    const gone = exitCode !== null || signalCode !== null || this.#failed !== undefined;
    const exit = gone ? Promise.resolve() : once(this.#child, 'exit').catch(() => undefined);
    this.#child.stdin.end();
    await exit;
  }
}

/** flock, unshare and the shell become each other: the child's pid is that of the one that holds the mount. */
function commandOf({ lock, type, options, disk, at }: HolderArguments): string[] {
  return [
    ...['--nonblock', '--no-fork', lock],
    ...['unshare', '--mount', '--propagation', 'private', '/bin/sh', SCRIPT],
    ...[type, options.join(','), disk, at],
  ];
}
