import { readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import type { Finding } from '../../client/doctor/check.ts';
import { run } from '../../host/run.ts';
import { slipwayHome } from '../../workers/configuration.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { processesOf } from '../support/vm-processes.ts';
import { runWithout } from '../support/without-programs.ts';

const SLIPWAY = resolve(import.meta.dirname, '..', '..', 'client', 'slipway');

/** Runs the whole of it in a home of its own, but for what was downloaded before. */
async function doctor(missing: readonly string[], vm = {}) {
  const home = await temporaryFolder();
  const cache = join(slipwayHome(), 'cache');
  await writeFile(join(home, 'slipway.yaml'), JSON.stringify({ directories: { cache }, vm }));
  const env = { SLIPWAY_HOME: home, TEMPORAL_ADDRESS: '127.0.0.1:1' };
  const argv = [SLIPWAY, 'doctor', '--json'] as const;
  // QEMU looks for its parts beside itself: it runs only where nothing was put in the place of its folder.
  const { stdout, exitCode } =
    missing.length === 0
      ? await run(argv, { env, accept: [3], timeout: 160_000 })
      : await runWithout({ missing }, argv, env);
  const scratch = await readdir(join(home, 'scratch'));
  expect(scratch.filter((name) => name.startsWith('.probe-'))).toEqual([]);
  expect(await processesOf(home)).toEqual([]);
  const findings = JSON.parse(stdout) as Finding[];
  return { exitCode, finding: (name: string) => findings.find((one) => one.name === name) };
}

it('boots a guest with each VM type and architecture: emulation works; of KVM it says whether, and why not', async () => {
  const { exitCode, finding } = await doctor([], { architectures: ['amd64', 'i386', 'arm64'] });
  for (const each of ['vm qemu i386', 'vm qemu arm64']) {
    expect(finding(each)).toMatchObject({ state: 'ok', what: expect.stringMatching(/^a guest booted/) });
  }
  expect(finding('qemu-system-aarch64')?.state).toBe('ok');
  expect(finding('vm qemu')).toMatchObject({
    ...{ state: 'ok', what: expect.stringMatching(/^a guest booted in [0-9.]+ s$/) },
  });
  const kvm = finding('vm kvm');
  // Which is right depends on the machine.
  expect(kvm?.what).toMatch(kvm?.state === 'ok' ? /^a guest booted in/ : /^not offered: .*(\/dev\/kvm|KVM)/);
  expect(['ok', 'warning']).toContain(kvm?.state);
  // All is well but for Temporal.
  expect(finding('temporal')).toMatchObject({ state: 'failed', what: 'no answer at 127.0.0.1:1' });
  expect(exitCode).toBe(3);
});

it('says of each VM type why none works where there is no QEMU', async () => {
  const { exitCode, finding } = await doctor(['qemu-system-x86_64']);
  expect(finding('qemu-system-x86_64')).toMatchObject({ advice: 'apt-get install qemu-system-x86' });
  for (const type of ['kvm', 'qemu'])
    expect(finding(`vm ${type}`)).toMatchObject({ state: 'failed', what: expect.stringContaining('qemu') });
  expect(finding('vm qemu')?.advice).toBe('Install the package qemu-system-x86. No VM type works here.');
  expect(exitCode).toBe(3);
});
