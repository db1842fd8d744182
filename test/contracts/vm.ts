import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bootTime } from '../../host/boot-time.ts';
import type { GuestSpec, Vm, VmStatus } from '../../vm/vm.ts';
import { scratch } from '../support/scratch.ts';
import { createTestVm, type TestVm } from '../support/test-vm.ts';
import { processesOf } from '../support/vm-processes.ts';
import type { Start } from '../support/vm-starter.ts';

/**
 * What a guest does. `success` prints `building`; `failing-command` exits with 7; `flood` prints more than `logBytes`;
 * `status-then-hang` writes the letter box and goes on; `long` runs without end, alive and talking.
 */
export type GuestDoes =
  | 'success'
  | 'failing-command'
  | 'panic'
  | 'hang'
  | 'silence'
  | 'flood'
  | 'disk-full'
  | 'status-then-hang'
  | 'long';

export interface VmSubject {
  vm(does: GuestDoes): TestVm;
  /** A boot that does this, with limits that it runs into where it should. Its files lie in `folder`. */
  boot(does: GuestDoes, folder: string): Promise<GuestSpec>;
  /** What is done to a guest once it has printed something, where it cannot do what it is to do by itself. */
  outside?: Partial<Record<GuestDoes, (folder: string, spec: GuestSpec) => Promise<void>>>;
  /** Whether its guests mostly wait, so that several may run at once. */
  concurrent: boolean;
}

const STARTER = fileURLToPath(new URL('../support/vm-starter.ts', import.meta.url));

/** A VM that is gone, with all its files, when the test ends. */
interface Begun extends AsyncDisposable {
  vm: Vm;
  folder: string;
  spec: GuestSpec;
}

/** What every VM does, whatever runs the guest. Runs as root. `seconds`: any boot of the subject has ended by then. */
export function vmContract(name: string, subject: VmSubject, seconds: number): void {
  const timeout = seconds * 1000;

  async function prepare(does: GuestDoes): Promise<Begun> {
    await using undo = new AsyncDisposableStack();
    const base = undo.use(await scratch());
    const folder = join(base.path, 'vm');
    await mkdir(folder, { mode: 0o700 });
    const vm = createTestVm(subject.vm(does));
    undo.defer(() => vm.kill(folder));
    const spec = await subject.boot(does, base.path);
    const all = undo.move();
    return { vm, folder, spec, [Symbol.asyncDispose]: () => all.disposeAsync() };
  }

  async function begin(does: GuestDoes, secondsToLive = 600): Promise<Begun> {
    const begun = await prepare(does);
    await begun.vm.start(begun.folder, begun.spec, bootTime() + secondsToLive);
    return begun;
  }

  /** Waits until the guest has run into its limit and nothing of it is left. */
  async function endOf(does: GuestDoes): Promise<VmStatus & { log: string; spec: GuestSpec }> {
    await using begun = await begin(does);
    const act = subject.outside?.[does];
    if (act !== undefined) {
      await logged(begun.folder);
      await act(begun.folder, begun.spec);
    }
    const status = await ended(begun);
    await gone(begun.folder);
    return { ...status, log: await readFile(join(begun.folder, 'log'), 'utf8'), spec: begun.spec };
  }

  describe(`${name} as a VM`, { timeout, concurrent: subject.concurrent }, () => {
    it('runs the commands of a guest to their end', async () => {
      const { end, statistics, log, seconds: took } = await endOf('success');
      expect(end).toEqual({ kind: 'succeeded' });
      expect(log).toContain('building');
      expect(statistics).toMatchObject({ seconds: took, logBytes: Buffer.byteLength(log) });
      expect(statistics?.bootSeconds).toBeGreaterThan(0);
      expect(statistics?.bootSeconds).toBeLessThan(took);
      expect(statistics?.peakMemoryMiB).toBeGreaterThan(0);
      expect(statistics?.readSectors).toBeGreaterThan(0);
    });

    it('tells a failed command by index and exit code', async () => {
      expect((await endOf('failing-command')).end).toEqual({ kind: 'failed', command: 0, exitCode: 7 });
    });

    it.each([
      ['panic', 'GuestCrashed'],
      ['hang', 'GuestHung'],
      ['silence', 'BuildStalled'],
      ['disk-full', 'DiskFull'],
    ] as const)('ends a guest with %s as %s', async (does, failure) => {
      expect((await endOf(does)).end).toMatchObject({ kind: 'broken', failure });
    });

    it('cuts a log that is too large at its limit', async () => {
      const { end, log, statistics, spec } = await endOf('flood');
      expect(end).toMatchObject({ kind: 'broken', failure: 'LogLimitExceeded' });
      expect(log.length).toBe(spec.limits.logBytes);
      expect(statistics?.logBytes).toBe(spec.limits.logBytes);
    });

    it('accepts a valid status of a guest that hangs afterwards', async () => {
      expect((await endOf('status-then-hang')).end).toEqual({ kind: 'succeeded' });
    });

    it('is absent before its start and can be killed and renewed then', async () => {
      await using begun = await prepare('success');
      expect((await begun.vm.status(begun.folder)).state).toBe('absent');
      await begun.vm.renew(begun.folder, bootTime() + 100);
      await begun.vm.kill(join(begun.folder, 'nobody'));
      expect(existsSync(join(begun.folder, 'nobody'))).toBe(false);
    });

    it('starts once, however often it is asked to', async () => {
      await using begun = await begin('long');
      const before = await logged(begun.folder);
      const first = await processesOf(begun.folder);
      await begun.vm.start(begun.folder, begun.spec, bootTime() + 600);
      expect(await processesOf(begun.folder)).toEqual(first);
      expect((await stat(join(begun.folder, 'log'))).size).toBeGreaterThanOrEqual(before);
      expect(await begun.vm.status(begun.folder)).toMatchObject({ state: 'running' });
    });

    it('is killed, leaves no process, and does not start again', async () => {
      await using begun = await begin('long');
      await logged(begun.folder);
      await begun.vm.kill(begun.folder);
      expect(await processesOf(begun.folder)).toEqual([]);
      const lost = {
        state: 'ended',
        end: { kind: 'broken', failure: 'VmLost', message: 'the VM was killed' },
      };
      expect(await begun.vm.status(begun.folder)).toMatchObject(lost);
      await begun.vm.kill(begun.folder);
      await begun.vm.start(begun.folder, begun.spec, bootTime() + 600);
      expect(await begun.vm.status(begun.folder)).toMatchObject(lost);
    });

    it('outlives the process that started it; another finds it, renews and ends it', async () => {
      await using begun = await prepare('long');
      const start: Start = {
        vm: subject.vm('long'),
        folder: begun.folder,
        spec: begun.spec,
        deadline: bootTime() + 600,
      };
      const worker = spawn(process.execPath, [STARTER, JSON.stringify(start)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(worker.stdout, 'data');
      worker.kill('SIGKILL');
      await once(worker, 'exit');
      const before = await logged(begun.folder);
      while ((await stat(join(begun.folder, 'log'))).size === before) await sleep(50);
      expect(await begun.vm.status(begun.folder)).toMatchObject({ state: 'running' });
      // The first sample of a guest without a kernel of its own is from before it runs anything.
      while (((await begun.vm.status(begun.folder)).sample?.memoryMiB ?? 0) === 0) await sleep(50);
      await begun.vm.renew(begun.folder, bootTime() + 700);
      await begun.vm.kill(begun.folder);
      expect(await processesOf(begun.folder)).toEqual([]);
    });

    it('ends at its deadline, which is renewed forwards only', async () => {
      await using begun = await begin('long', 4);
      await begun.vm.renew(begun.folder, bootTime() + 8);
      await begun.vm.renew(begun.folder, bootTime() + 1);
      await sleep(5000);
      expect((await begun.vm.status(begun.folder)).state).toBe('running');
      expect((await ended(begun)).end).toMatchObject({ kind: 'broken', failure: 'VmLost' });
      await gone(begun.folder);
    });
  });
}

async function ended({ vm, folder }: Begun): Promise<VmStatus> {
  for (;;) {
    const status = await vm.status(folder);
    if (status.state !== 'running') return status;
    await sleep(20);
  }
}

/** Waits until the guest has printed something; returns how many bytes. */
async function logged(folder: string): Promise<number> {
  for (;;) {
    const { size } = await stat(join(folder, 'log'));
    if (size > 0) return size;
    await sleep(20);
  }
}

/** The supervisor writes the end and goes: a moment after the end nothing is left. */
async function gone(folder: string): Promise<void> {
  for (let tries = 0; tries < 100 && (await processesOf(folder)).length > 0; tries++) await sleep(20);
  expect(await processesOf(folder)).toEqual([]);
}
