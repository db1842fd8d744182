import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootTime } from '../../host/boot-time.ts';
import { createTestVm, type TestVm } from './test-vm.ts';
import { tinyContainer } from './tiny-container.ts';
import { type TinyGuest, tinyGuest } from './tiny-guest.ts';

/** `node vm-runner.ts <JSON>`: runs a tiny guest in an empty folder to its end and prints its last status. */
export interface Run {
  vm: TestVm;
  guest: TinyGuest;
  folder: string;
}

const { vm: described, guest, folder } = JSON.parse(process.argv[2] ?? '') as Run;
const vm = createTestVm(described);
const place = join(folder, 'vm');
await mkdir(place);
const make = 'container' in described ? tinyContainer : tinyGuest;
await vm.start(place, await make(folder, guest), bootTime() + 600);
while ((await vm.status(place)).state === 'running') await sleep(50);
console.log(JSON.stringify(await vm.status(place)));
await vm.kill(place);
