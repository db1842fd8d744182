import { vmContract } from '../contracts/vm.ts';
import { fakeBoot } from '../support/fake-boot.ts';

/** The fake guest under the real supervisor: what the contract says of the supervisor is proven here, fast. */
vmContract(
  'a fake guest',
  {
    vm: (does) => ({ fake: { behaviour: does, log: 'building\n', exitCode: 7 } }),
    boot: (does, folder) =>
      fakeBoot(folder, {
        limits: {
          ...(does === 'hang' ? { heartbeatSeconds: 1 } : {}),
          ...(does === 'silence' ? { logSilenceSeconds: 1 } : {}),
        },
      }),
    concurrent: true,
  },
  30,
);
