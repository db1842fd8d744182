import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { extractArtifacts } from '../../extraction/extract.ts';
import { bootTime } from '../../host/boot-time.ts';
import { FILES, readStart, writeRecord } from '../../vm/folder.ts';
import { holdersOf } from '../../vm/lock.ts';
import { createSupervisedVm } from '../../vm/supervised-vm.ts';
import type { GuestSpec, Vm, VmStatus } from '../../vm/vm.ts';
import { fakeBoot } from '../support/fake-boot.ts';
import { createFakeVm, type FakeScenario } from '../support/fake-vm.ts';
import { scratch } from '../support/scratch.ts';
import { processesOf } from '../support/vm-processes.ts';

/** Runs a VM in `base`/vm to its end. */
async function run(vm: Vm, base: string, spec: GuestSpec): Promise<VmStatus> {
  const folder = join(base, 'vm');
  await mkdir(folder);
  await vm.start(folder, spec, bootTime() + 600);
  for (;;) {
    const status = await vm.status(folder);
    if (status.state === 'running') await sleep(20);
    else {
      await vm.kill(folder);
      return status;
    }
  }
}

/** A VM whose QEMU is any program. */
function vmOf(...argv: [string, ...string[]]): Vm {
  return createSupervisedVm({
    type: 'qemu',
    isolation: 'emulated',
    check: async () => {},
    monitor: () => ({ argv }),
  });
}

describe('a supervised VM', { concurrent: true }, () => {
  it.each([
    ['reset', 'GuestCrashed', /reset itself/],
    ['crash', 'GuestCrashed', /SIGSEGV/],
    ['no-status', 'NoStatus', /powered off without/],
    ['never-boots', 'BootTimedOut', /within 1 s/],
    ['no-space', 'ScratchFull', /no room left for the guest's disk/],
    ['out-of-memory', 'GuestOutOfMemory', /out of memory/],
    ['names', 'ArtifactsRejected', /control character/],
  ] as const)('ends a guest with %s as %s', async (behaviour, failure, message) => {
    await using base = await scratch();
    const limits = behaviour === 'never-boots' ? { bootSeconds: 1 } : {};
    const { end } = await run(
      createFakeVm({ scenario: { behaviour } }),
      base.path,
      await fakeBoot(base.path, { limits }),
    );
    expect(end).toEqual({ kind: 'broken', failure, message: expect.stringMatching(message) });
  });

  it('blames a silent installation on the packages', async () => {
    await using base = await scratch();
    const spec = await fakeBoot(base.path, { phase: 'install', limits: { logSilenceSeconds: 1 } });
    const { end } = await run(createFakeVm({ scenario: { behaviour: 'silence' } }), base.path, spec);
    expect(end).toMatchObject({ kind: 'broken', failure: 'InstallFailed' });
  });

  it('tells which of the commands failed', async () => {
    await using base = await scratch();
    const command = { argv: ['false'], env: {}, user: 'root', cwd: '/' } as const;
    const spec = await fakeBoot(base.path, { phase: 'install', commands: [command, command] });
    const scenario: FakeScenario = { behaviour: 'failing-command', command: 1, exitCode: 137 };
    const { end } = await run(createFakeVm({ scenario: () => scenario }), base.path, spec);
    expect(end).toEqual({ kind: 'failed', command: 1, exitCode: 137 });
  });

  it('takes no status of an earlier boot for one of this', async () => {
    await using base = await scratch();
    const spec = await fakeBoot(base.path);
    expect((await run(createFakeVm({ scenario: {} }), base.path, spec)).end).toEqual({ kind: 'succeeded' });
    await using again = await scratch();
    const { end } = await run(createFakeVm({ scenario: { behaviour: 'no-status' } }), again.path, spec);
    expect(end).toMatchObject({ kind: 'broken', failure: 'NoStatus' });
  });

  it('leaves results where the extraction finds them, on disk and swap', async () => {
    await using base = await scratch();
    const spec = await fakeBoot(base.path);
    const scenario: FakeScenario = {
      files: {
        'deep/er/hello.deb': { content: { bytes: 100_001 } },
        'hello.txt': { content: 'hello', on: 'swap' },
        empty: { content: '' },
      },
    };
    expect((await run(createFakeVm({ scenario }), base.path, spec)).end).toEqual({ kind: 'succeeded' });
    const into = join(base.path, 'artifacts');
    await mkdir(into);
    const { disk, swap, phase, nonce } = spec;
    const limits = { bytes: 1_000_000, files: 100 };
    const artifacts = await extractArtifacts({
      ...{ disk, swap, phase, nonce, into, limits },
      ...{ signal: new AbortController().signal, report: () => {} },
    });
    expect(artifacts.filter(({ kind }) => kind === 'file').map(({ path, size }) => [path, size])).toEqual(
      expect.arrayContaining([
        ['deep/er/hello.deb', 100_001],
        ['hello.txt', 5],
        ['empty', 0],
      ]),
    );
    expect(await readFile(join(into, 'hello.txt'), 'utf8')).toBe('hello');
  });

  it.each([
    ['is missing', ['/nonexistent/qemu'], /ENOENT/],
    [
      'does not come up',
      ['sh', '-c', 'echo cannot set up guest memory >&2; exit 1'],
      /exit code 1: cannot set up guest memory/,
    ],
  ] as const)('says of the host that it is unfit where QEMU %s', async (_, argv, message) => {
    await using base = await scratch();
    const spec = await fakeBoot(base.path, { kernel: '/dev/null', initramfs: '/dev/null' });
    const { end } = await run(vmOf(argv[0], ...argv.slice(1)), base.path, spec);
    expect(end).toEqual({ kind: 'broken', failure: 'HostUnfit', message: expect.stringMatching(message) });
  });

  it('gives QEMU a kernel that only root can read', async () => {
    await using base = await scratch();
    const kernel = join(base.path, 'vmlinuz');
    await writeFile(kernel, 'kernel', { mode: 0o600 });
    const spec = await fakeBoot(base.path, { kernel, initramfs: '/dev/null' });
    const read = ['setpriv', '--reuid=61234', '--clear-groups', 'cat', '/proc/self/fd/8'];
    const { end } = await run(vmOf('sh', '-c', `${read.join(' ')} >&2; exit 1`), base.path, spec);
    expect(end).toMatchObject({ message: expect.stringMatching(/exit code 1: kernel/) });
    expect((await stat(kernel)).mode & 0o777).toBe(0o600);
  });

  it('is lost where its supervisor was ended, and rebooted where the host was', async () => {
    await using base = await scratch();
    const folder = join(base.path, 'vm');
    await mkdir(folder);
    const vm = createFakeVm({ scenario: { behaviour: 'long' } });
    await vm.start(folder, await fakeBoot(base.path), bootTime() + 600);
    for (const { pid } of holdersOf(join(folder, FILES.lock))) process.kill(pid, 'SIGKILL');
    while ((await processesOf(folder)).length > 0) await sleep(10);
    // A process that ends has no name and no file any more a moment before its lock is free.
    await vi.waitFor(
      async () => expect((await vm.status(folder)).end).toMatchObject({ kind: 'broken', failure: 'VmLost' }),
      { timeout: 10_000, interval: 20 },
    );
    const start = readStart(folder);
    if (start === undefined) throw new Error('no start record');
    writeRecord(folder, 'start', { ...start, bootId: 'another' });
    expect((await vm.status(folder)).end).toMatchObject({ kind: 'broken', failure: 'HostRebooted' });
  });

  it('refuses a deadline that is none', async () => {
    await using base = await scratch();
    const vm = createFakeVm({ scenario: {} });
    await expect(vm.renew(base.path, Number.NaN)).rejects.toThrow(RangeError);
  });

  it('says what is wrong where the supervisor cannot start', async () => {
    await using base = await scratch();
    const folder = join(base.path, 'vm');
    await mkdir(folder);
    await mkdir(join(folder, FILES.control));
    const vm = createFakeVm({ scenario: {} });
    await expect(vm.start(folder, await fakeBoot(base.path), bootTime() + 60)).rejects.toMatchObject({
      ...{ type: 'HostUnfit', message: expect.stringContaining('EISDIR') },
    });
  });
});
