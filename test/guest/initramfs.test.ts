import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { cpio } from '../../guest/cpio.ts';
import { bootInitramfs, COMMAND_BYTES, configuration } from '../../guest/initramfs.ts';
import { run } from '../../host/run.ts';
import type { Architecture } from '../../schema/request.ts';
import type { GuestCommand } from '../../vm/vm.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SCRIPTS = fileURLToPath(new URL('../../guest/scripts/', import.meta.url));

const command = (over: Partial<GuestCommand> = {}): GuestCommand => ({
  argv: ['make', ''],
  env: { A: 'b c', B: 'x\ny' },
  user: 'builder',
  cwd: '/build/x',
  ...over,
});

const boot = (commands: readonly GuestCommand[], architecture: Architecture = 'amd64') => ({
  spec: {
    ...{ phase: 'build' as const, nonce: 'a'.repeat(32), architecture, commands, outputDirectory: '/out' },
    incoming: { folder: '/build/work', bytes: 4096 + 2 * 1024 ** 2 },
    filesystem: {
      ...{ name: 'ext4' as const, content: 'device' as const },
      mountOptions: ['noatime', 'nobarrier'],
    },
  },
});

test('the configuration is what the protocol says, to the byte', () => {
  const files = Object.fromEntries(
    configuration(boot([command(), command({ user: 'root', argv: ['ls'] })])).map(({ path, content }) => [
      path,
      content,
    ]),
  );
  expect(files).toEqual({
    slipway: undefined,
    'slipway/phase': 'build',
    'slipway/incoming': '/build/work',
    'slipway/incoming-blocks': '512',
    'slipway/nonce': 'a'.repeat(32),
    'slipway/personality': 'linux',
    'slipway/filesystem': 'ext4',
    'slipway/mount-options': 'noatime,nobarrier',
    'slipway/content': 'device',
    'slipway/output': '/out',
    'slipway/commands/0/argv': 'make\0\0',
    'slipway/commands/0/env': 'A=b c\0B=x\ny\0',
    'slipway/commands/0/user': 'builder',
    'slipway/commands/0/cwd': '/build/x',
    'slipway/commands/1/argv': 'ls\0',
    'slipway/commands/1/env': 'A=b c\0B=x\ny\0',
    'slipway/commands/1/user': 'root',
    'slipway/commands/1/cwd': '/build/x',
  });
});

test.each([
  ['amd64', 'linux'],
  ['i386', 'linux32'],
  ['arm64', 'linux'],
  ['armhf', 'linux32'],
] as const)('a build root of %s has the personality %s', (architecture, personality) => {
  const files = configuration(boot([], architecture));
  expect(files.find(({ path }) => path === 'slipway/personality')?.content).toBe(personality);
});

test('what cannot be handed over is refused before the guest is booted', () => {
  expect(() => configuration(boot([command({ argv: ['x'.repeat(COMMAND_BYTES)] })]))).toThrow(RangeError);
  expect(() => configuration(boot([command({ env: { A: 'b\0c' } })]))).toThrow(RangeError);
});

test('the initramfs is the toolkit and the configuration, in a row, each aligned', async () => {
  const folder = await temporaryFolder();
  const toolkit = cpio([{ path: 'init', mode: 0o755, content: 'x' }]);
  await writeFile(join(folder, 'toolkit'), toolkit);
  await bootInitramfs({
    ...boot([command()]),
    toolkit: join(folder, 'toolkit'),
    into: join(folder, 'initramfs'),
  });
  const bytes = await readFile(join(folder, 'initramfs'));
  expect(bytes.subarray(0, toolkit.length)).toEqual(toolkit);
  const { stdout } = await run(['cpio', '--list', '--quiet'], { input: bytes.subarray(toolkit.length) });
  expect(stdout).toContain('slipway/commands/0/argv\n');
});

test('the scripts are shell and awk that busybox can read', async () => {
  const names = await readdir(SCRIPTS);
  expect(names).toContain('init');
  for (const name of names) {
    const path = join(SCRIPTS, name);
    if (name.endsWith('.awk')) await run(['busybox', 'awk', '-f', path, '/dev/null']);
    else await run(['busybox', 'sh', '-n', path]);
  }
});
