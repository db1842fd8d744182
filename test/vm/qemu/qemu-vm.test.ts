import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { bootTime } from '../../../host/boot-time.ts';
import { createQemuVm } from '../../../vm/qemu/qemu-vm.ts';
import { fakeBoot } from '../../support/fake-boot.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { processesOf } from '../../support/vm-processes.ts';
import { runWithout } from '../../support/without-programs.ts';

const STARTER = resolve(import.meta.dirname, '../../support/vm-starter.ts');
const OPTIONS = { type: 'qemu', uid: 64_000, gid: 64_000 } as const;

it.each([
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['prlimit', 'util-linux'],
  ['setpriv', 'util-linux'],
])('where %s is missing the host is unfit, and it names the package', async (program, from) => {
  const base = await temporaryFolder();
  const folder = join(base, 'vm');
  await mkdir(folder);
  const start = { vm: { qemu: OPTIONS }, folder, spec: await fakeBoot(base), deadline: bootTime() + 60 };
  const argv = [process.execPath, STARTER, JSON.stringify(start)];
  const { stdout, stderr, exitCode } = await runWithout({ missing: [program] }, argv);
  expect(stderr).toContain(`${program} is not installed`);
  expect(stderr).toContain("type: 'HostUnfit'");
  expect(stderr).toContain(`Install the package ${from}.`);
  expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 1 });
  expect(await processesOf(base)).toEqual([]);
});

it('more memory than the host has makes it unfit for the guest, with both numbers', async () => {
  const base = await temporaryFolder();
  const folder = join(base, 'vm');
  await mkdir(folder);
  const spec = { ...(await fakeBoot(base)), memoryMiB: 1_000_000_000 };
  await expect(createQemuVm(OPTIONS).start(folder, spec, bootTime() + 60)).rejects.toMatchObject({
    type: 'HostUnfit',
    message: expect.stringMatching(/^the guest wants 1000000000 MiB of memory, the host has \d+ MiB$/),
  });
  expect(await processesOf(base)).toEqual([]);
});
