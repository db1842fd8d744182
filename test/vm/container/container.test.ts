import { type GuestDoes, vmContract } from '../../contracts/vm.ts';
import { firstOf, inContainer } from '../../support/container-processes.ts';
import { GUESTS } from '../../support/contract-guests.ts';
import { writeLetterBox } from '../../support/letter-box.ts';
import { tinyContainer } from '../../support/tiny-container.ts';
import type { TinyGuest } from '../../support/tiny-guest.ts';

const HOLD = 'x=$(yes | head -c 4000000)';

/** A container has no kernel to panic, and no build reaches its letter box: both are done from outside. */
const CONTAINERS: Record<GuestDoes, TinyGuest> = {
  ...GUESTS,
  // What a busybox holds is less than a MiB, and a sample is taken every 2 s.
  success: { script: `${HOLD}; ${GUESTS.success.script}; sleep 3` },
  long: { script: `${HOLD}; ${GUESTS.long.script}` },
  panic: GUESTS.long,
  'status-then-hang': { script: 'echo; sleep 1000', limits: { logSilenceSeconds: 4 } },
};

vmContract(
  'a container',
  {
    vm: () => ({ container: true }),
    boot: (does, folder) => tinyContainer(folder, CONTAINERS[does]),
    outside: {
      panic: async (folder) => {
        process.kill(await firstOf(folder), 'SIGKILL');
      },
      hang: async (folder) => {
        for (const pid of await inContainer(folder, '/bin/sh /toolkit/heartbeat')) {
          process.kill(pid, 'SIGSTOP');
        }
      },
      'status-then-hang': async (_folder, { swap, phase, nonce }) => {
        await writeLetterBox(swap, { phase, nonce, result: 'succeeded', command: 0, exit: 0, list: '' });
      },
    },
    concurrent: true,
  },
  30,
);
