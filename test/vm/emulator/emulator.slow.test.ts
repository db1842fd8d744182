import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { bootTime } from '../../../host/boot-time.ts';
import { createEmulatorVm } from '../../../vm/emulator/emulator-vm.ts';
import { vmContract } from '../../contracts/vm.ts';
import { GUESTS } from '../../support/contract-guests.ts';
import { documentedEmulator, emulatorScript } from '../../support/emulator-script.ts';
import { loopPair } from '../../support/loop-devices.ts';
import { scratch } from '../../support/scratch.ts';
import { tinyGuest } from '../../support/tiny-guest.ts';
import { monitorOf } from '../../support/vm-processes.ts';

const example = await documentedEmulator();
const script = await emulatorScript(example);
afterAll(() => script[Symbol.asyncDispose]());

const OPTIONS = { isolation: 'emulated', uid: 61_238, gid: 61_239 } as const;

vmContract(
  'the emulator of docs/emulator.md',
  {
    vm: () => ({ emulator: { program: script.path, protocol: 'exit', ...OPTIONS } }),
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

it('the same over QMP, on block devices, without any right', async () => {
  const qmp = `${example.trimEnd().replace('panic=exit-failure', 'panic=shutdown')} -chardev stdio,id=qmp,signal=off -mon chardev=qmp,mode=control\n`;
  await using program = await emulatorScript(qmp);
  await using base = await scratch();
  await using disks = await loopPair(base.path, 'pair', { diskMiB: 32, swapMiB: 16 });
  const vm = createEmulatorVm({ program: program.path, protocol: 'qmp', ...OPTIONS });
  const folder = join(base.path, 'vm');
  await mkdir(folder, { mode: 0o700 });
  try {
    const guest = { ...GUESTS.panic, disks: { disk: disks.disk, swap: disks.swap } };
    await vm.start(
      folder,
      await tinyGuest(base.path, { ...guest, script: `sleep 2; ${guest.script}` }),
      bootTime() + 600,
    );
    while (!(await readFile(join(folder, 'control'), 'utf8').catch(() => '')).includes('begin'))
      await sleep(50);
    const status = await readFile(`/proc/${await monitorOf(folder)}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\t61238\t61238\t61238\t61238$/m);
    expect(status).toMatch(/^Groups:\t *$/m);
    for (const set of ['Prm', 'Eff', 'Bnd', 'Amb'])
      expect(status).toMatch(new RegExp(`^Cap${set}:\\t0{16}$`, 'm'));
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    let last = await vm.status(folder);
    for (; last.state === 'running'; last = await vm.status(folder)) await sleep(100);
    expect(last.end).toEqual({
      kind: 'broken',
      failure: 'GuestCrashed',
      message: 'kernel panic of the guest',
    });
  } finally {
    await vm.kill(folder);
  }
});
