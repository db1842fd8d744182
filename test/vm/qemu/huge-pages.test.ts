import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bootTime } from '../../../host/boot-time.ts';
import { hugePagePool, pagesFor } from '../../../vm/qemu/huge-pages.ts';
import { createQemuVm } from '../../../vm/qemu/qemu-vm.ts';
import { fakeBoot } from '../../support/fake-boot.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { processesOf } from '../../support/vm-processes.ts';

const OPTIONS = { type: 'qemu', uid: 64_000, gid: 64_000 } as const;

it.each([
  [true, /^the guest wants \d+ huge pages of 2 MiB, \d+ of \d+ are free$/],
  [2, /^the guest wants \d+ huge pages of 2 MiB, \d+ of \d+ are free$/],
] as const)(
  'hugePages: %s without enough of them starts nothing, and says how many and how',
  async (hugePages, message) => {
    const base = await temporaryFolder();
    const folder = join(base, 'vm');
    await mkdir(folder);
    const { free } = hugePagePool(hugePages);
    const spec = { ...(await fakeBoot(base)), memoryMiB: 2 * free + 1 };
    const vm = createQemuVm({ ...OPTIONS, hugePages });
    await expect(vm.start(folder, spec, bootTime() + 60)).rejects.toMatchObject({
      type: 'HostUnfit',
      message: expect.stringMatching(message),
      more: {
        advice: expect.stringMatching(
          /^Reserve them: echo \d+ >.*hugepages-2048kB\/nr_hugepages .*vm\.hugePages to false/,
        ),
      },
    });
    expect((await vm.status(folder)).state).toBe('absent');
    expect(await processesOf(base)).toEqual([]);
  },
);

it('a size that the kernel has not is named with those that it has', () => {
  expect(() => hugePagePool(3)).toThrow('the kernel of the host has no huge pages of 3 MiB');
  try {
    hugePagePool(3);
  } catch (error) {
    expect(error).toMatchObject({ type: 'HostUnfit', more: { advice: expect.stringContaining('2 MiB') } });
  }
});

it('counts what the kernel says, and rounds a guest up to whole pages', async () => {
  const pool = hugePagePool(2);
  const total = await readFile('/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages', 'utf8');
  expect(pool).toMatchObject({ sizeMiB: 2, total: Number(total) });
  expect([pagesFor(256, pool), pagesFor(257, pool), pagesFor(1, { sizeMiB: 1024 })]).toEqual([128, 129, 1]);
});
