import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openRaw } from '../../extraction/raw-device.ts';
import { run } from '../../host/run.ts';
import { scratch } from '../support/scratch.ts';

describe('openRaw', () => {
  it('reads a regular file at any place', async () => {
    await using folder = await scratch();
    const path = join(folder.path, 'disk');
    await writeFile(path, '0123456789');
    await using device = await openRaw(path);
    const into = Buffer.alloc(4);
    await device.read(into, 5);
    expect([device.size, into.toString()]).toEqual([10, '5678']);
  });

  it('reads a block device', async () => {
    await using folder = await scratch();
    const path = join(folder.path, 'disk');
    await writeFile(path, Buffer.alloc(1024 * 1024, 'd'));
    const loop = (await run(['losetup', '--find', '--show', '--read-only', '--', path])).stdout.trim();
    try {
      await using device = await openRaw(loop);
      const into = Buffer.alloc(512);
      await device.read(into, 1024 * 1024 - 512);
      expect([device.size, into.equals(Buffer.alloc(512, 'd'))]).toEqual([1024 * 1024, true]);
    } finally {
      await run(['losetup', '--detach', loop]);
    }
  });

  it('takes a qcow2 for what it is: bytes', async () => {
    await using folder = await scratch();
    const path = join(folder.path, 'disk');
    await writeFile(path, Buffer.concat([Buffer.from('QFI\xfb\0\0\0\x03', 'latin1'), Buffer.alloc(504)]));
    await using device = await openRaw(path);
    const into = Buffer.alloc(4);
    await device.read(into, 0);
    expect([device.size, into.toString('latin1')]).toEqual([512, 'QFI\xfb']);
  });

  it('refuses what is neither, without waiting for a writer', async () => {
    await using folder = await scratch();
    const fifo = join(folder.path, 'fifo');
    await run(['mkfifo', fifo]);
    for (const path of [fifo, folder.path, '/dev/zero']) {
      await expect(openRaw(path)).rejects.toMatchObject({ type: 'HostUnfit' });
    }
  });

  it('says where a file ended while it was read', async () => {
    await using folder = await scratch();
    const path = join(folder.path, 'disk');
    await writeFile(path, Buffer.alloc(1000));
    await using device = await openRaw(path);
    await truncate(path, 100);
    await expect(device.read(Buffer.alloc(200), 0)).rejects.toThrow('ended at byte 100');
  });
});
