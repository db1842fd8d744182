import { rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../host/run.ts';

/** A real block device of so many MiB, a loop device over a sparse file; detached, and verified, at the end. */
export async function loopDevice(
  folder: string,
  name: string,
  sizeMiB: number,
): Promise<{ path: string } & AsyncDisposable> {
  const file = join(folder, name);
  await writeFile(file, '');
  await truncate(file, sizeMiB * 1024 ** 2);
  const { stdout } = await run(['losetup', '--find', '--show', '--nooverlap', '--', file]);
  const path = stdout.trim();
  return {
    path,
    async [Symbol.asyncDispose]() {
      await run(['losetup', '--detach', path]);
      for (let tries = 0; tries < 100 && (await isAttached(path, file)); tries++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      if (await isAttached(path, file)) throw new Error(`${path} is still attached to ${file}`);
      await rm(file, { force: true });
    },
  };
}

async function isAttached(path: string, file: string): Promise<boolean> {
  const { stdout } = await run(['losetup', '--noheadings', '--output', 'BACK-FILE', path], { accept: [1] });
  return stdout.trim() === file;
}

/** A pair of them. */
export async function loopPair(
  folder: string,
  name: string,
  { diskMiB, swapMiB }: { diskMiB: number; swapMiB: number },
): Promise<{ disk: string; swap: string } & AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const disk = undo.use(await loopDevice(folder, `${name}-disk`, diskMiB));
  const swap = undo.use(await loopDevice(folder, `${name}-swap`, swapMiB));
  const all = undo.move();
  return { disk: disk.path, swap: swap.path, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
