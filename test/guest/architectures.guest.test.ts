import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { extractArtifacts } from '../../extraction/extract.ts';
import { bootInitramfs } from '../../guest/initramfs.ts';
import { unpackPrograms } from '../../guest/programs.ts';
import { bootTime } from '../../host/boot-time.ts';
import { run } from '../../host/run.ts';
import { ext4 } from '../../images/ext4.ts';
import { guestFilesystem } from '../../images/filesystem.ts';
import { createSparseFile } from '../../images/sparse-file.ts';
import { ARCHITECTURES } from '../../vm/architectures.ts';
import { createQemuVm } from '../../vm/qemu/qemu-vm.ts';
import type { GuestSpec } from '../../vm/vm.ts';
import { makeToolkit } from '../../workers/guest-kernel.ts';
import { NONCE, shell } from '../support/busybox-guest.ts';
import { guestInputs } from '../support/guest-inputs.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const context = { signal: AbortSignal.timeout(600_000), report: () => undefined };
const SCRIPT =
  'uname -m && head -c 100000 /dev/urandom > random && sha256sum random | tee sum && nproc && date +%s';

test.each(['arm64', 'armhf'] as const)(
  'a guest of %s boots here, runs a script, and what it leaves is taken out',
  async (architecture) => {
    const folder = await temporaryFolder();
    const path = (name: string) => join(folder, name);
    const { kernels, inputs } = await guestInputs(architecture);
    const to = { filesystemModules: ext4.modules, into: path('toolkit'), aside: path('kernel-tree') };
    const kernel = await makeToolkit(kernels, inputs, to, context.signal);
    expect(kernel.release).toContain('arm64');

    // A build root of nothing but that architecture's busybox.
    const programs = await unpackPrograms({
      debs: (inputs.toolkit ?? []).map(kernels.path),
      cache: kernels.cache,
    });
    const tree = path('tree');
    await mkdir(join(tree, 'bin'), { recursive: true });
    await run(['cp', join(programs, 'bin/busybox'), join(tree, 'bin/busybox')]);
    await mkdir(join(tree, 'out'));
    await run(['chown', '1000:1000', join(tree, 'out')]);
    await createSparseFile(path('disk'), 64);
    await createSparseFile(path('swap'), 16);
    await ext4.copyIn(path('disk'), tree, context);

    const install = {
      ...shell('', 'root'),
      argv: ['/bin/busybox', '--install', '-s', '/bin'] as const,
      cwd: '/',
    };
    const spec: GuestSpec = {
      ...{ phase: 'build', nonce: NONCE, architecture, cpus: 2, memoryMiB: 512, outputDirectory: '/out' },
      ...{ disk: path('disk'), swap: path('swap'), kernel: kernel.image, initramfs: path('initramfs') },
      filesystem: guestFilesystem(ext4),
      commands: [install, shell(SCRIPT)],
      limits: {
        bootSeconds: 90,
        heartbeatSeconds: 60,
        logSilenceSeconds: 90,
        totalSeconds: 150,
        logBytes: 1e6,
      },
    };
    await bootInitramfs({ spec, toolkit: path('toolkit'), into: spec.initramfs });
    // Not below the temporary folder alone: whatever happens the guest must end before that is deleted.
    const vmFolder = await mkdtemp(path('vm-'));
    const vm = createQemuVm({ type: 'qemu', uid: 64_055, gid: 64_055 });
    onTestFinished(async () => {
      await vm.kill(vmFolder);
      await rm(vmFolder, { recursive: true });
    });
    await vm.start(vmFolder, spec, bootTime() + 200);
    await expect
      .poll(async () => (await vm.status(vmFolder)).state, { timeout: 170_000, interval: 250 })
      .toBe('ended');
    const { end, statistics } = await vm.status(vmFolder);
    const log = await readFile(join(vmFolder, 'log'), 'utf8');
    const console = await readFile(join(vmFolder, 'console'), 'latin1');
    expect({ end, log, console }).toMatchObject({ end: { kind: 'succeeded' } });
    const [machine, sum = '', cpus, clock] = log.split('\n');
    expect([machine, cpus]).toEqual([ARCHITECTURES[architecture].machine, '2']);
    expect(Math.abs(Number(clock) - Date.now() / 1000)).toBeLessThan(200);
    expect(statistics?.bootSeconds).toBeLessThan(60);

    const into = path('artifacts');
    await mkdir(into);
    const artifacts = await extractArtifacts({
      ...{ phase: 'build', nonce: NONCE, disk: spec.disk, swap: spec.swap, into },
      ...{ limits: { bytes: 1e7, files: 10 }, ...context },
    });
    expect(artifacts.find((each) => each.path === 'random')?.sha256).toBe(sum.split(' ')[0]);
  },
);
