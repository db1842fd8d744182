import { expect, test } from 'vitest';
import { startContainer } from '../../support/container-run.ts';
import { loopPair } from '../../support/loop-devices.ts';
import { scratch } from '../../support/scratch.ts';

test("a container on block devices of the host's, which stay when it is gone", async () => {
  await using base = await scratch();
  await using disks = await loopPair(base.path, 'pair', { diskMiB: 32, swapMiB: 16 });
  await using container = await startContainer({
    script: 'echo building; echo x >/out/x',
    disks: { disk: disks.disk, swap: disks.swap },
  });
  const { end, statistics } = await container.ended();
  expect(end).toEqual({ kind: 'succeeded' });
  expect(statistics?.readSectors).toBeGreaterThan(0);
  expect(await container.log()).toBe('building\n');
}, 60_000);
