import { mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootInitramfs } from '../../guest/initramfs.ts';
import { toolkitInitramfs } from '../../guest/toolkit.ts';
import { bootTime } from '../../host/boot-time.ts';
import { ext4 } from '../../images/ext4.ts';
import { guestFilesystem } from '../../images/filesystem.ts';
import { createContainerVm } from '../../vm/container/container-vm.ts';
import type { GuestSpec } from '../../vm/vm.ts';
import type { RunGuest } from '../contracts/guest.ts';
import { handedIn, NONCE, readLetterBox } from './busybox-guest.ts';
import { emptySwap } from './qemu.ts';
import { GUEST_LIMITS } from './tiny-guest.ts';

/** As `runBusyboxGuest`, in a container. */
export const runBusyboxContainer: RunGuest = async (folder, commands, options = {}) => {
  const { cpus = 1, memoryMiB = 256, spec: more, incoming } = options;
  const path = (name: string) => join(folder, name);
  const spec: GuestSpec = {
    ...{ phase: 'build', nonce: NONCE, architecture: 'amd64', outputDirectory: '/out', commands },
    ...{ disk: path('disk'), swap: path('swap'), kernel: '/dev/null', initramfs: path('initramfs') },
    ...{ cpus, memoryMiB, filesystem: guestFilesystem(ext4), limits: GUEST_LIMITS },
    ...more,
  };
  await emptySwap(spec.swap);
  if (incoming !== undefined) spec.incoming = await handedIn(incoming, path);
  await toolkitInitramfs({ filesystemModules: [], into: path('toolkit') });
  await bootInitramfs({ toolkit: path('toolkit'), into: spec.initramfs, spec });
  const vm = createContainerVm();
  const own = await mkdtemp(path('vm-'));
  await vm.start(own, spec, bootTime() + 600);
  while ((await vm.status(own)).state === 'running') await sleep(20);
  await vm.kill(own);
  const said = (name: string) => readFile(join(own, name), 'utf8');
  return {
    records: (await said('control')).split('\n').map((line) => line.replace(/ at=[0-9.]+$/, '')),
    ...{ log: await said('log'), console: await said('console'), letterBox: await readLetterBox(spec.swap) },
  };
};
