import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { bootTime } from '../../../host/boot-time.ts';
import { createEmulatorVm, type EmulatorVmOptions } from '../../../vm/emulator/emulator-vm.ts';
import type { VmStatus } from '../../../vm/vm.ts';
import { documentedEmulator, emulatorScript } from '../../support/emulator-script.ts';
import { fakeBoot } from '../../support/fake-boot.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { processesOf } from '../../support/vm-processes.ts';

const OPTIONS = { isolation: 'shared-kernel', protocol: 'exit', uid: 61_240, gid: 61_241 } as const;

/** Runs a program as an emulator to its end. */
async function runProgram(
  text: string,
  options: Partial<EmulatorVmOptions> = {},
): Promise<VmStatus & { folder: string; log: string }> {
  await using program = await emulatorScript(text);
  const vm = createEmulatorVm({ ...OPTIONS, program: program.path, ...options });
  const base = await temporaryFolder();
  const folder = join(base, 'vm');
  await mkdir(folder);
  try {
    await vm.start(
      folder,
      await fakeBoot(base, { cpus: 3, memoryMiB: 99, kernel: '/dev/null', initramfs: '/dev/null' }),
      bootTime() + 60,
    );
    let status = await vm.status(folder);
    for (; status.state === 'running'; status = await vm.status(folder)) await sleep(20);
    return { ...status, folder, log: await readFile(join(folder, 'log'), 'utf8') };
  } finally {
    await vm.kill(folder);
    expect(await processesOf(base)).toEqual([]);
  }
}

it('finds the parameters of the guest in its environment and nothing else', async () => {
  const { log } = await runProgram('#!/bin/sh\nenv | sort >&"$SLIPWAY_LOG_FD"\n');
  const names = log.split('\n').map((line) => line.split('=')[0]);
  expect(log).toContain('SLIPWAY_CPUS=3\n');
  expect(log).toContain('SLIPWAY_MEMORY_MIB=99\n');
  expect(log).toContain('SLIPWAY_KERNEL_COMMAND_LINE=console=ttyS0 panic=-1\n');
  expect(log).toContain('SLIPWAY_DISK_KIND=file\n');
  expect(log).toMatch(/^SLIPWAY_PHASE=build$/m);
  const others = names.filter((name) => name !== '' && !name?.startsWith('SLIPWAY_'));
  expect(others.filter((name) => !['PATH', 'LC_ALL', 'PWD', '_', 'SHLVL'].includes(name ?? ''))).toEqual([]);
  const document = await readFile(join(import.meta.dirname, '../../../docs/emulator.md'), 'utf8');
  const parameters = names.filter((name) => name?.startsWith('SLIPWAY_'));
  expect(parameters.length).toBeGreaterThan(10);
  for (const name of parameters) expect(document, name).toContain(`\`${name}\``);
});

it('runs without rights and may open only what was opened for it, and its device', async () => {
  const script = `#!/bin/sh
exec >&"$SLIPWAY_LOG_FD" 2>&1
id -u; id -g; id -G
head -c 512 <&3 | wc -c
printf x >&4 && echo swap can be written
grep -E '^(CapEff|NoNewPrivs)' /proc/self/status
(: >/dev/fuse) && echo device
head -c1 /etc/shadow || true
(: >/proc/self/fd/4)`;
  const { log } = await runProgram(script, { device: '/dev/fuse' });
  expect(log).toMatch(/^61240\n61241\n61241\n512\n/);
  expect(log).toMatch(/^CapEff:\t0{16}$/m);
  expect(log).toMatch(/^NoNewPrivs:\t1$/m);
  expect(log).toMatch(/^swap can be written$/m);
  expect(log).toMatch(/^device$/m);
  expect(log).toMatch(/shadow.*Permission denied$/m);
  expect(log).toMatch(/\/proc\/self\/fd\/4: Permission denied$/m);
  expect((await stat('/dev/fuse')).uid).toBe(0);
});

it.each([
  ['exit 0', 'NoStatus', /powered off without a valid status/],
  ['echo why >&2; exit 3', 'GuestCrashed', /^the monitor program ended \(exit code 3: why\)$/],
  ['kill -KILL $$', 'GuestCrashed', /SIGKILL/],
  [
    'exec /no/such/program',
    'HostUnfit',
    /^the monitor program could not start the guest \(exit code 127: .*not found/s,
  ],
  // A guest's console, most likely: no word of it is an event.
  [
    `echo '{"event":"GUEST_PANICKED"}'; echo '{"event":"BLOCK_IO_ERROR","data":{"nospace":true}}'; exit 0`,
    'NoStatus',
    /./,
  ],
] as const)('%s is %s', async (body, failure, message) => {
  const { end } = await runProgram(`#!/bin/sh\n${body}\n`);
  expect(end).toMatchObject({ kind: 'broken', failure, message: expect.stringMatching(message) });
});

it.each([
  [
    'that is not there',
    async () => '/nowhere/emulator.sh',
    /^the emulator \/nowhere\/emulator.sh does not exist$/,
  ],
  [
    'that is not executable',
    async (path: string) => chmod(path, 0o644).then(() => path),
    /is no program that uid 61240 may run$/,
  ],
  [
    'in a folder of root',
    async (path: string) => chmod(dirname(path), 0o700).then(() => path),
    /is no program that uid 61240 may run$/,
  ],
  ['that is a folder', async (path: string) => dirname(path), /is no program that uid 61240 may run$/],
] as const)('a program %s makes the host unfit', async (_what, spoil, message) => {
  await using program = await emulatorScript('#!/bin/sh\n');
  const vm = createEmulatorVm({ ...OPTIONS, program: await spoil(program.path) });
  const base = await temporaryFolder();
  await expect(vm.start(base, await fakeBoot(base), bootTime() + 60)).rejects.toMatchObject({
    type: 'HostUnfit',
    message: expect.stringMatching(message),
  });
});

it('a device that is none makes the host unfit', async () => {
  const file = join(await temporaryFolder(), 'file');
  await writeFile(file, '');
  for (const device of ['/dev/no-such-device', file]) {
    await expect(runProgram('#!/bin/sh\n', { device })).rejects.toMatchObject({
      type: 'HostUnfit',
      message: `the device ${device} of the emulator is no character device here`,
    });
  }
});

it('is of the isolation that its operator declares', async () => {
  expect(createEmulatorVm({ ...OPTIONS, program: '/x' })).toMatchObject({
    type: 'emulator',
    isolation: 'shared-kernel',
  });
});

it('the documented example is a script that a shell can read', async () => {
  expect(await documentedEmulator()).toMatch(/^#!\/bin\/sh\nset -eu\n/);
});
