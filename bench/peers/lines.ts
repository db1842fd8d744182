import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** A line of a peer's log, and when it came: seconds since the command was started. */
export interface TimedLine {
  at: number;
  text: string;
}

export interface TimedRun {
  lines: TimedLine[];
  /** Of the whole command. */
  seconds: number;
  exitCode: number;
}

/** Before the words of a peer that mounts: its mounts are gone with it, and so are the processes that it starts. */
export const OWN_NAMESPACES = [
  ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ...['--propagation', 'private'],
] as const;

/**
 * Runs a peer's command, its output as a log whose lines are timed as they come. All of it is also kept in a file.
 * @param timeoutSeconds then it and all that it started are killed
 */
export async function runTimed(
  argv: readonly [string, ...string[]],
  options: { cwd: string; env: Record<string, string>; log: string; timeoutSeconds: number },
): Promise<TimedRun> {
  const [program, ...args] = argv;
  const started = performance.now();
  const since = () => (performance.now() - started) / 1000;
  const { cwd, env } = options;
  // A group of its own: a peer is many processes, and all of them are to go when it is given up.
  const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
  const kill = () => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  const timer = setTimeout(kill, options.timeoutSeconds * 1000);
  process.prependOnceListener('exit', kill);
  const log = createWriteStream(options.log);
  const lines: TimedLine[] = [];
  const read = [child.stdout, child.stderr].map(async (stream) => {
    for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      lines.push({ at: since(), text });
      log.write(`${since().toFixed(3)} ${text}\n`);
    }
  });
  try {
    const exitCode = await ended;
    const seconds = since();
    await Promise.all(read);
    return { lines, seconds, exitCode };
  } finally {
    clearTimeout(timer);
    process.removeListener('exit', kill);
    log.end();
  }
}
