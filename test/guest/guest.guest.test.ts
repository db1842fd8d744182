import { join } from 'node:path';
import { expect, test } from 'vitest';
import { guestContract } from '../contracts/guest.ts';
import { busyboxDisk, NONCE, runBusyboxGuest, shell } from '../support/busybox-guest.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

guestContract('QEMU', runBusyboxGuest);

test('a disk that cannot be mounted: no status, a word on the console', async () => {
  const folder = await temporaryFolder();
  await busyboxDisk(folder, 16);
  const { letterBox, records, ...said } = await runBusyboxGuest(folder, [shell('exit 0')], {
    disk: join(folder, 'toolkit'),
  });
  expect(letterBox).toBeUndefined();
  expect(records).toEqual([`hello version=1 nonce=${NONCE}`, '']);
  expect(said.console).toContain('slipway: cannot mount /dev/vda as ext4');
});
