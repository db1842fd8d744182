import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootTime } from '../../host/boot-time.ts';
import { createContainerVm } from '../../vm/container/container-vm.ts';
import type { GuestSpec, VmStatus } from '../../vm/vm.ts';
import { scratch } from './scratch.ts';
import { type TinyContainer, tinyContainer } from './tiny-container.ts';

/** A container that was started; gone, with all its files, when the test ends. */
export interface StartedContainer extends AsyncDisposable {
  /** Folder of disk, swap and what else the test lays there. */
  base: string;
  /** Folder of the VM. */
  folder: string;
  spec: GuestSpec;
  ended(): Promise<VmStatus>;
  log(): Promise<string>;
  kill(): Promise<void>;
}

const vm = createContainerVm();

export async function startContainer(
  container: TinyContainer | ((base: string) => TinyContainer),
): Promise<StartedContainer> {
  await using undo = new AsyncDisposableStack();
  const { path: base } = undo.use(await scratch());
  const folder = join(base, 'vm');
  await mkdir(folder, { mode: 0o700 });
  const spec = await tinyContainer(base, typeof container === 'function' ? container(base) : container);
  undo.defer(() => vm.kill(folder));
  await vm.start(folder, spec, bootTime() + 600);
  const all = undo.move();
  return {
    ...{ base, folder, spec },
    log: () => readFile(join(folder, 'log'), 'utf8'),
    kill: () => vm.kill(folder),
    async ended() {
      for (;;) {
        const status = await vm.status(folder);
        if (status.state !== 'running') return status;
        await sleep(20);
      }
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}
