import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SlipwayFailure } from '../schema/failures.ts';
import { FILES, has } from './folder.ts';
import { isHeld } from './lock.ts';

const SUPERVISOR = fileURLToPath(new URL('./supervisor/main.ts', import.meta.url));

/** Programs that start a supervisor, all of util-linux. */
export const LAUNCH_PROGRAMS = ['flock', 'unshare'] as const;

/** It runs beside every guest for hours and holds next to nothing: a small heap, collected rather than grown. */
const MEMORY = ['--max-old-space-size=64', '--max-semi-space-size=1', '--v8-pool-size=1'] as const;

/**
 * Where Node keeps the supervisor's code once it has stripped and compiled it: 0.05 s of CPU time to come up instead of
 * 0.13. Beside the code, because whoever can write here can write that too; where nobody can, Node does without.
 */
export const COMPILE_CACHE = fileURLToPath(new URL('../node_modules/.cache/slipway/', import.meta.url));

/** Seconds within which a supervisor says that it took the VM on; it needs 0.2 s on an idle machine. */
const PATIENCE = 60;

/**
 * Starts the supervisor of the VM in `folder` and returns when it has taken it on. It belongs to no process tree but its
 * own; the folder is all that leads to it.
 * @param of whether it sees the control groups of the host, or has a namespace of its own for them (default)
 * @throws SlipwayFailure HostUnfit where it did not come up
 */
export async function launch(
  folder: string,
  { controlGroups = 'own' }: { controlGroups?: 'own' | 'host' } = {},
): Promise<void> {
  const said = openSync(join(folder, FILES.said), 'a', 0o600);
  const outer = spawn('flock', supervisorArgs(folder, controlGroups), {
    stdio: ['ignore', said, said],
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LC_ALL: 'C.UTF-8',
      NODE_COMPILE_CACHE: COMPILE_CACHE,
    },
    cwd: '/',
    detached: true,
  });
  closeSync(said);
  outer.unref();
  await takenOn(folder, outer);
}

/**
 * The lock is taken by the program that becomes `unshare` and stays open in the supervisor. `unshare` waits for the
 * supervisor, and that, first process of its pid namespace, is gone only when everything in the namespace is: a free
 * lock means that nothing is left. Conversely `--kill-child` ends the supervisor when `unshare` is killed.
 */
function supervisorArgs(folder: string, controlGroups: 'own' | 'host'): string[] {
  const namespaces = ['--mount', '--net', '--ipc', '--uts', '--pid'];
  if (controlGroups === 'own' && existsSync('/proc/self/ns/cgroup')) namespaces.push('--cgroup');
  return [
    ...['--nonblock', '--no-fork', join(folder, FILES.lock)],
    ...['unshare', ...namespaces, '--propagation', 'private', '--fork', '--kill-child', '--mount-proc'],
    ...[process.execPath, ...MEMORY, SUPERVISOR, folder],
  ];
}

async function takenOn(folder: string, outer: ChildProcess): Promise<void> {
  let failed: string | undefined;
  outer.on('error', (error) => (failed = error.message));
  const over = performance.now() + PATIENCE * 1000;
  while (!has(folder, 'started') && !has(folder, 'killed')) {
    if (outer.exitCode !== null) failed ??= `exit code ${outer.exitCode}`;
    // It may have lost the lock to a supervisor that an earlier start left on its way: that one takes the VM on.
    if (failed !== undefined && !isHeld(join(folder, FILES.lock)) && !has(folder, 'started')) break;
    if (performance.now() > over) {
      failed ??= `nothing within ${PATIENCE} s`;
      break;
    }
    await sleep(5);
  }
  if (has(folder, 'started') || has(folder, 'killed')) return;
  const said = readFileSync(join(folder, FILES.said), 'utf8').trim().split('\n').slice(-5).join('\n');
  throw new SlipwayFailure('HostUnfit', `the supervisor of the VM did not start (${failed}):\n${said}`, {
    advice: 'A VM needs root with all namespaces (CAP_SYS_ADMIN): run slipway doctor on the host.',
  });
}
