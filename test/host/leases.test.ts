import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TEMPORARY_PREFIX } from '../../host/atomic-file.ts';
import { bootId } from '../../host/boot-time.ts';
import { type Capacity, type Leases, openLeases, type WantedLease } from '../../host/leases.ts';
import { run } from '../../host/run.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const CLAIM = join(import.meta.dirname, 'fixtures', 'claim.ts');

function wanted(id: string, memoryMiB = 1024): WantedLease {
  return {
    id,
    build: `build/hello/${id}`,
    run: `run-${id}`,
    round: 0,
    vm: { type: 'qemu', isolation: 'emulated' },
    memoryMiB,
  };
}

async function folderOfLeases(
  capacity: Capacity = { builds: 2, memoryMiB: 8192 },
): Promise<{ directory: string; leases: Leases; open: () => Promise<Leases> }> {
  const directory = join(await temporaryFolder(), 'state', 'leases');
  const open = () => openLeases({ directory, host: 'anvil', queue: 'slipway-host-anvil', capacity });
  return { directory, leases: await open(), open };
}

test('a claim is on disk with all that names it, and another process finds it', async () => {
  const { leases, open } = await folderOfLeases();
  const lease = await leases.claim(wanted('a-1'));
  expect(lease).toMatchObject({
    ...wanted('a-1'),
    host: 'anvil',
    queue: 'slipway-host-anvil',
    bootId: bootId(),
  });
  expect(Math.abs(Date.now() - Date.parse(lease.claimedAt))).toBeLessThan(60_000);
  const other = await open();
  expect(await other.get('a-1')).toEqual(lease);
  expect(await other.check('a-1')).toEqual(lease);
  expect(await other.list()).toEqual([lease]);
  expect(await other.get('b-1')).toBeUndefined();
});

test('the same id gets the same lease, also where the host is full', async () => {
  const { leases } = await folderOfLeases({ builds: 1, memoryMiB: 1024 });
  const first = await leases.claim(wanted('a'));
  expect(await leases.claim(wanted('a'))).toEqual(first);
  expect(await leases.list()).toHaveLength(1);
});

test('places are bounded, and free again after release', async () => {
  const { leases } = await folderOfLeases();
  await leases.claim(wanted('a'));
  await leases.claim(wanted('b'));
  await expect(leases.claim(wanted('c'))).rejects.toMatchObject({
    type: 'HostFull',
    message: 'host anvil: 2 of 2 places are taken',
  });
  await leases.release('a');
  await leases.release('a');
  await leases.claim(wanted('c'));
  expect((await leases.list()).map((lease) => lease.id)).toEqual(['b', 'c']);
});

test('the sum of memory is bounded', async () => {
  const { leases } = await folderOfLeases({ builds: 10, memoryMiB: 4096 });
  await leases.claim(wanted('a', 3000));
  await expect(leases.claim(wanted('b', 1097))).rejects.toMatchObject({
    type: 'HostFull',
    message: 'host anvil: 1097 MiB wanted, 3000 of 4096 MiB are taken',
  });
  await leases.claim(wanted('c', 1096));
});

test('more memory than the host ever has is not waited for', async () => {
  const { leases } = await folderOfLeases({ builds: 1, memoryMiB: 4096 });
  await leases.claim(wanted('a', 4096));
  await expect(leases.claim(wanted('b', 4097))).rejects.toMatchObject({
    type: 'NoHostAvailable',
    message: expect.stringContaining('4096 MiB'),
  });
});

test('claims of one process at the same time do not overbook', async () => {
  const { leases } = await folderOfLeases({ builds: 3, memoryMiB: 65_536 });
  const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const claims = await Promise.allSettled(ids.map((id) => leases.claim(wanted(id))));
  expect(claims.filter((claim) => claim.status === 'fulfilled')).toHaveLength(3);
  expect(await leases.list()).toHaveLength(3);
});

test('claims of several processes at the same time do not overbook', async () => {
  const { directory, leases } = await folderOfLeases();
  const said = await Promise.all(
    ['a', 'b', 'c', 'd', 'e'].map((id) => run([process.execPath, CLAIM, directory, id, '2'])),
  );
  expect(said.map((result) => result.stdout).sort()).toEqual([
    'HostFull',
    'HostFull',
    'HostFull',
    'claimed',
    'claimed',
  ]);
  expect(await leases.list()).toHaveLength(2);
});

test('a step whose lease is gone is told LeaseLost', async () => {
  const { leases } = await folderOfLeases();
  await leases.claim(wanted('a'));
  await leases.release('a');
  await expect(leases.check('a')).rejects.toMatchObject({ type: 'LeaseLost' });
});

test('a lease of another boot is HostRebooted, and can still be read and released', async () => {
  const { directory, leases } = await folderOfLeases();
  const lease = await leases.claim(wanted('a'));
  const older = { ...lease, bootId: '00000000-0000-0000-0000-000000000000' };
  await writeFile(join(directory, 'a.json'), JSON.stringify(older));
  await expect(leases.check('a')).rejects.toMatchObject({ type: 'HostRebooted' });
  expect(await leases.get('a')).toEqual(older);
  await leases.release('a');
  expect(await leases.list()).toEqual([]);
});

test.each([
  ['cut off', '{"version":1,'],
  ['of a later version', '{"version":2}'],
])('a file that is %s hides no other lease, keeps its place and can be released', async (_, text) => {
  const { directory, leases } = await folderOfLeases();
  const good = await leases.claim(wanted('good'));
  const path = join(directory, 'bad.json');
  await writeFile(path, text);

  expect(await leases.list()).toEqual([good]);
  expect(await leases.listCorrupt()).toEqual([{ id: 'bad', path, problem: expect.stringContaining(path) }]);
  await expect(leases.check('bad')).rejects.toMatchObject({
    type: 'LeaseLost',
    message: expect.stringContaining(path),
  });
  await expect(leases.claim(wanted('new'))).rejects.toMatchObject({
    type: 'HostFull',
    message: expect.stringContaining(`${path} is damaged`),
  });
  await leases.release('bad');
  await leases.claim(wanted('new'));
});

test('a lease under the name of another is damaged', async () => {
  const { directory, leases } = await folderOfLeases();
  await leases.claim(wanted('a'));
  await writeFile(join(directory, 'b.json'), await readFile(join(directory, 'a.json')));
  expect((await leases.listCorrupt()).map((lease) => lease.id)).toEqual(['b']);
});

test('what a killed claim left half written is no lease and is swept by the next', async () => {
  const { directory, leases } = await folderOfLeases();
  await writeFile(join(directory, `${TEMPORARY_PREFIX}x`), '{"version":1,');
  expect(await leases.list()).toEqual([]);
  expect(await leases.listCorrupt()).toEqual([]);
  await leases.claim(wanted('a'));
  expect(await readdir(directory)).toEqual(['.lock', 'a.json']);
});

test.each(['', '../a', 'a/b', 'a.b', 'a\n'])('the id %j names no file', async (id) => {
  const { leases } = await folderOfLeases();
  await expect(leases.claim(wanted(id))).rejects.toThrow(RangeError);
  await expect(leases.release(id)).rejects.toThrow(RangeError);
});

test('what is taken counts damaged files, and neither the lock nor half-written ones', async () => {
  const { directory, leases } = await folderOfLeases();
  expect(await leases.taken()).toBe(0);
  await leases.claim(wanted('a'));
  await writeFile(join(directory, 'bad.json'), '{');
  await writeFile(join(directory, `${TEMPORARY_PREFIX}x`), '{"version":1,');
  expect(await leases.taken()).toBe(2);
  await leases.release('a');
  expect(await leases.taken()).toBe(1);
});
