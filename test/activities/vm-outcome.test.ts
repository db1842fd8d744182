import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { vmOutcome } from '../../activities/vm-outcome.ts';
import type { FailureType } from '../../schema/failures.ts';
import { SlipwayFailure } from '../../schema/failures.ts';
import type { GuestCommand, VmEnd, VmStatus } from '../../vm/vm.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const STATISTICS = {
  ...{ seconds: 1, bootSeconds: 1, commandSeconds: 1, peakMemoryMiB: 1, peakDiskMiB: 1, peakSwapMiB: 0 },
  ...{ readRequests: 0, writeRequests: 0, readSectors: 0, writtenSectors: 0, logBytes: 0 },
};
const command = (...argv: [string, ...string[]]): GuestCommand => ({ argv, env: {}, user: 'root', cwd: '/' });
const ended = (end: VmEnd): VmStatus => ({
  state: 'ended',
  seconds: 1,
  logBytes: 0,
  end,
  statistics: STATISTICS,
});
const boot = {
  phase: 'build',
  nonce: '0'.repeat(32),
  commands: [command('mkdir', '/a b'), command('sh', '-c', 'x\n'.repeat(200))],
} as const;
const explain = () => ({ message: 'dpkg could not configure a package: foo', items: ['foo'] });

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await temporaryFolder();
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

test('a success has statistics and nonce, no failure', async () => {
  const outcome = await vmOutcome(boot, ended({ kind: 'succeeded' }), await folderWith({}), explain);
  expect(outcome).toEqual({ statistics: STATISTICS, nonce: boot.nonce });
});

test('a failed build names the command and brings the end of the log', async () => {
  const folder = await folderWith({ log: 'one\ntwo\n' });
  const { failure } = await vmOutcome(
    boot,
    ended({ kind: 'failed', command: 0, exitCode: 2 }),
    folder,
    explain,
  );
  expect(failure).toMatchObject({
    type: 'BuildFailed',
    phase: 'build',
    message: "mkdir '/a b': exited with 2",
    exitCode: 2,
    lastLines: ['one', 'two'],
  });
});

test('a long command is cut, a signal is named', async () => {
  const end = ended({ kind: 'failed', command: 1, exitCode: 137 });
  const { failure } = await vmOutcome(boot, end, await folderWith({}), explain);
  expect(failure?.message).toMatch(/^sh -c 'x x .{100,}…: exited with 137, killed by signal 9$/);
  expect(failure).not.toHaveProperty('lastLines');
});

test('a command with a title is called by it', async () => {
  const titled = { ...boot, commands: [{ ...command('sh', '-c', 'exit 1'), title: 'looking for results' }] };
  const end = ended({ kind: 'failed', command: 0, exitCode: 1 });
  const { failure } = await vmOutcome(titled, end, await folderWith({}), explain);
  expect(failure?.message).toBe('looking for results: exited with 1');
});

test('a failed installation is explained by the recipe', async () => {
  const end = ended({ kind: 'failed', command: 3, exitCode: 1 });
  const { failure } = await vmOutcome({ ...boot, phase: 'install' }, end, await folderWith({}), explain);
  expect(failure).toMatchObject({
    type: 'InstallFailed',
    message: 'dpkg could not configure a package: foo (exited with 1)',
    items: ['foo'],
  });
});

test.each<[FailureType, 'outcome' | 'thrown']>([
  ['DiskFull', 'outcome'],
  ['BuildStalled', 'outcome'],
  ['GuestCrashed', 'thrown'],
  ['ScratchFull', 'thrown'],
])('%s is %s', async (failure, what) => {
  const folder = await folderWith({ log: 'of the build\n', console: 'of the kernel\n' });
  const outcome = vmOutcome(boot, ended({ kind: 'broken', failure, message: 'why' }), folder, explain);
  if (what === 'outcome') {
    expect((await outcome).failure).toMatchObject({ type: failure, lastLines: ['of the build'] });
    return;
  }
  const error = await outcome.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SlipwayFailure);
  expect((error as SlipwayFailure).details('build')).toMatchObject({
    type: failure,
    lastLines: ['of the kernel'],
  });
});

test('a VM that is gone without a trace is VmLost', async () => {
  const status: VmStatus = { state: 'absent', seconds: 0, logBytes: 0 };
  await expect(vmOutcome(boot, status, await folderWith({}), explain)).rejects.toMatchObject({
    type: 'VmLost',
  });
});
