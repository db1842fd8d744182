import { vmContract } from '../contracts/vm.ts';
import { GUESTS } from '../support/contract-guests.ts';
import { tinyGuest } from '../support/tiny-guest.ts';
import { monitorOf } from '../support/vm-processes.ts';

/** Nobody's on any machine, so that a file of the host that QEMU could reach would be found. */
export const IDENTITY = { uid: 61_234, gid: 61_234 };

vmContract(
  'QEMU',
  {
    vm: () => ({ qemu: { type: 'qemu', ...IDENTITY } }),
    boot: (does, folder) => tinyGuest(folder, GUESTS[does]),
    outside: {
      hang: async (folder) => {
        process.kill(await monitorOf(folder), 'SIGSTOP');
      },
    },
    concurrent: false,
  },
  90,
);
