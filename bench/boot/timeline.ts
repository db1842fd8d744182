import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootTime } from '../../host/boot-time.ts';
import { FILES } from '../../vm/folder.ts';
import { isHeld } from '../../vm/lock.ts';
import type { GuestSpec, Vm } from '../../vm/vm.ts';

/** Seconds from `vm.start` until each step was seen, in the order of time. */
export type Timeline = Record<string, number>;

/** One guest from the call of `start` until nothing of it is left, as an activity that looked all the time would see it. */
export async function timeline(vm: Vm, folder: string, spec: GuestSpec): Promise<Timeline> {
  await mkdir(folder, { mode: 0o700 });
  const seen: Timeline = {};
  const began = performance.now();
  const note = (step: string) => (seen[step] ??= (performance.now() - began) / 1000);
  const path = (name: keyof typeof FILES) => join(folder, FILES[name]);
  try {
    const start = vm.start(folder, spec, bootTime() + 600).then(() => note('start has returned'));
    while (!existsSync(path('end'))) {
      if (existsSync(path('started'))) note('a supervisor has taken it on');
      if (existsSync(path('control'))) {
        for (const [, word] of readFileSync(path('control'), 'latin1').matchAll(
          /^(hello|begin|end|done) /gm,
        )) {
          note(`the guest says ${word}`);
        }
      }
      if ((await vm.status(folder)).state === 'ended') break;
      await sleep(2);
    }
    note('its end is written');
    await start;
    while (isHeld(path('lock'))) await sleep(2);
    note('nothing of it is left');
    return seen;
  } finally {
    await vm.kill(folder);
  }
}
