import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bootId, bootTime } from '../../host/boot-time.ts';
import { createFakeVm } from '../../test/support/fake-vm.ts';
import { writeLetterBox } from '../../test/support/letter-box.ts';
import { FILES, has, writeRecord } from '../../vm/folder.ts';
import type { GuestSpec, Vm } from '../../vm/vm.ts';

const RESULT = Buffer.from('what a package is\n');

/** Where it lies in the swap, in units of 512 bytes. */
const UNIT = 64;

const STATISTICS = {
  ...{ seconds: 0, bootSeconds: 0, commandSeconds: 0 },
  ...{ peakMemoryMiB: 0, peakDiskMiB: 0, peakSwapMiB: 0 },
  ...{ readRequests: 0, writeRequests: 0, readSectors: 0, writtenSectors: 0 },
};

/**
 * A VM for measuring everything but the VM: the folder looks as a supervisor leaves it after a success, with one result
 * of 18 bytes, the moment it is started. No process runs, so none of what a guest can do wrong is there.
 */
export function createInstantVm(): Vm {
  const fake = createFakeVm({ scenario: {} });
  return {
    ...fake,
    start: async (folder, spec, deadline) => {
      if (has(folder, 'started') || has(folder, 'killed')) return;
      const monitor = { argv: ['true'] } as const;
      writeRecord(folder, 'start', {
        ...{ version: 1, bootId: bootId(), startedAt: bootTime(), deadline, spec, monitor },
      });
      await writeFile(join(folder, FILES.lock), '');
      await writeFile(join(folder, FILES.started), '');
      const said = `${spec.phase}\n`;
      await writeFile(join(folder, FILES.log), said);
      await writeResults(spec);
      const statistics = { ...STATISTICS, logBytes: said.length };
      writeRecord(folder, 'end', { version: 1, end: { kind: 'succeeded' }, statistics });
    },
  };
}

/** Its content follows the list in the swap. */
async function writeResults({ phase, nonce, swap, commands, outputDirectory }: GuestSpec): Promise<void> {
  const list =
    outputDirectory === undefined
      ? ''
      : `F 644 ${RESULT.length} result.deb\nE swap ${UNIT} ${Math.ceil(RESULT.length / 512)} 0\n`;
  {
    await using file = await open(swap, 'r+');
    await file.write(RESULT, 0, RESULT.length, UNIT * 512);
  }
  await writeLetterBox(swap, {
    ...{ phase, nonce, list, result: 'succeeded', command: Math.max(0, commands.length - 1), exit: 0 },
  });
}
