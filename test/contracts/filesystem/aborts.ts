import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it, vi } from 'vitest';
import type { FillWay } from '../../../images/filesystem.ts';
import { undoMounts } from '../../../images/undo-mounts.ts';
import { CHILD, context, fill, leftOf, place, type UnderTest, writeMany } from './under-test.ts';

/** What is left where a fill does not come to its end: nothing. */
export function abortContract(of: UnderTest, way: FillWay): void {
  const { name } = of.filesystem;

  it.each([0, 30, 150])(
    'ends with the reason of an abort after %i ms, and nothing is left',
    async (after) => {
      const at = await place(of.sizeMiB);
      const abort = new AbortController();
      const reason = new Error('told to stop');
      const filling = fill(
        of,
        way,
        at,
        async (tree, { signal }) => {
          for (let i = 0; !signal.aborted && i < 40; i++) await writeMany(tree, 1, 1_000_000);
          await new Promise((resolve) => setTimeout(resolve, 200));
          signal.throwIfAborted();
        },
        context([], abort.signal),
      );
      setTimeout(() => abort.abort(reason), after);
      await expect(filling).rejects.toBe(reason);
      expect(await leftOf(at)).toEqual([]);
    },
  );

  it('passes on what went wrong while the tree was unpacked, and nothing is left', async () => {
    const at = await place(of.sizeMiB);
    const wrong = new Error('a package is broken');
    await expect(fill(of, way, at, () => Promise.reject(wrong))).rejects.toBe(wrong);
    expect(await leftOf(at)).toEqual([]);
  });

  if (way === 'copyin') return;

  it('leaves nothing where its process is killed', async () => {
    const at = await place(of.sizeMiB);
    const { kill } = await fillInChild(at.disk, at.tree, name);
    expect((await leftOf(at)).length).toBeGreaterThan(2);
    await kill();
    await vi.waitFor(async () => expect(await leftOf(at)).toEqual([]), { timeout: 10_000, interval: 50 });
  });

  it('leaves nothing after its compensation where its process is killed and the holder of the mount hangs', async () => {
    const at = await place(of.sizeMiB);
    const { kill, holder } = await fillInChild(at.disk, at.tree, name);
    process.kill(holder, 'SIGSTOP');
    await kill();
    expect((await leftOf(at)).length).toBeGreaterThan(1);
    await undoMounts(at.folder);
    expect(await leftOf(at)).toEqual([]);
    await undoMounts(at.folder);
    await fill(of, way, at, async () => undefined);
  });

  it('begins anew over the mount of a process that was killed', async () => {
    const at = await place(of.sizeMiB);
    const { kill, holder } = await fillInChild(at.disk, at.tree, name);
    process.kill(holder, 'SIGSTOP');
    await kill();
    await fill(of, way, at, (tree) => writeFile(join(tree, 'second'), 'x'));
    expect(await leftOf(at)).toEqual([]);
  });

  it('fails where the disk cannot be unmounted, and says what holds it', async () => {
    const at = await place(of.sizeMiB);
    let user: ReturnType<typeof spawn> | undefined;
    const failure = await fill(of, way, at, async (tree) => {
      await mkdir(join(tree, 'held'));
      user = spawn('sleep', ['60'], { cwd: join(tree, 'held') });
      await once(user, 'spawn');
    }).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      type: 'HostUnfit',
      message: expect.stringMatching(/^the disk of the guest cannot be unmounted: umount: .*target is busy/s),
      more: { items: [`process ${user?.pid} (sleep): works in a folder there`] },
    });
    // What a dead namespace leaves to a process that lives is no mount any more, but it is the loop device.
    await expect(undoMounts(at.folder, 500)).rejects.toThrow(/^loop device .* cannot be detached/);
    user?.kill();
    await undoMounts(at.folder);
    expect(await leftOf(at)).toEqual([]);
  });

  it('fails where the holder of the mount dies, and nothing is left', async () => {
    const at = await place(of.sizeMiB);
    const filling = fill(of, way, at, async (tree, { signal }) => {
      process.kill(holderOf(tree), 'SIGKILL');
      await once(signal, 'abort');
      signal.throwIfAborted();
    });
    await expect(filling).rejects.toMatchObject({
      type: 'HostUnfit',
      message: 'the mount of the disk ended while it was filled',
    });
    expect(await leftOf(at)).toEqual([]);
  });
}

function holderOf(tree: string): number {
  return Number(/^\/proc\/(\d+)\/root\//.exec(tree)?.[1]);
}

/** Fills a disk in a process of its own, and returns when that has written into the mount. */
async function fillInChild(disk: string, tree: string, name: string) {
  const child = spawn(process.execPath, [CHILD, name, 'mount', disk, tree, 'hang'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let holder = Number.NaN;
  for await (const line of createInterface(child.stdout)) {
    holder = holderOf(line);
    if (!Number.isNaN(holder)) break;
  }
  expect(await readFile(`/proc/${holder}/comm`, 'utf8')).toBe('sh\n');
  const kill = async () => {
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  };
  return { holder, kill };
}
