import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const STOP_SECONDS = 60;

/** A worker in a process of its own, ready; disposing of it lets it end. */
export interface Child extends AsyncDisposable {
  pid: number;
  /** Rejects with what it said where it ends before it is let go. */
  failed: Promise<never>;
}

/** Starts a module of this folder with an argument that it reads as JSON; what it says goes into `<folder>/<module>.log`. */
export async function startChild(module: string, argument: object, folder: string): Promise<Child> {
  const log = join(folder, `${module}.log`);
  const out = openSync(log, 'a');
  const child = fork(join(import.meta.dirname, module), [JSON.stringify(argument)], {
    stdio: ['ignore', out, out, 'ipc'],
    env: { ...process.env, TMPDIR: folder },
  });
  const exit = once(child, 'exit');
  let released = false;
  const failed = exit.then(async ([code, signal]): Promise<never> => {
    if (released) return new Promise<never>(() => undefined);
    const said = (await readFile(log, 'utf8')).trim().split('\n').slice(-8).join('\n');
    throw new Error(`${module} ended by itself with ${signal ?? code}:\n${said}`);
  });
  failed.catch(() => undefined);
  await Promise.race([once(child, 'message'), failed]);
  return {
    pid: child.pid ?? 0,
    failed,
    [Symbol.asyncDispose]: async () => {
      released = true;
      await letGo(child, exit);
    },
  };
}

async function letGo(child: ChildProcess, exit: Promise<unknown>): Promise<void> {
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_SECONDS * 1000);
  await exit;
  clearTimeout(timer);
}
