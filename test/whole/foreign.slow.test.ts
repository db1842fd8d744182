import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { incomingOf, specOf } from '../../activities/boot.ts';
import { extractArtifacts } from '../../extraction/extract.ts';
import { bootTime } from '../../host/boot-time.ts';
import { BOOTS, createScratch, deleteScratch } from '../../host/scratch.ts';
import { diskFiles } from '../../images/disk-places.ts';
import { ext4 } from '../../images/ext4.ts';
import { fillDisk } from '../../images/fill.ts';
import { recipes } from '../../recipes/index.ts';
import { createInputCache } from '../../repositories/cache.ts';
import { hostRepositories } from '../../repositories/host-sources.ts';
import { createAptResolver } from '../../repositories/resolve.ts';
import { inputsOf } from '../../schema/lock.ts';
import { BuildRequest } from '../../schema/request.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { nativeKernelArchitecture } from '../../vm/architectures.ts';
import { createQemuVm } from '../../vm/qemu/qemu-vm.ts';
import { createGuests } from '../../workers/guests.ts';
import { TEST_CACHE } from '../support/kernel.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MINUTES = 60_000;
const NONCE = 'ab'.repeat(16);

/** The release without its updates: lists of architectures that few use lag behind on some mirrors. */
async function stable(directory: string) {
  const all = await hostRepositories({ directory });
  return all.filter(({ suites }) => suites.every((suite) => !/-(security|updates)/.test(suite)));
}

/** The recipe `script` from its request to its results, in a build root that this machine can run nothing of. */
test.each([
  { architecture: 'arm64', kernelOf: 'arm64', machine: 'aarch64' },
  { architecture: 'i386', kernelOf: 'amd64', machine: 'i686' },
] as const)(
  'a build of $architecture on this host: resolved, filled, installed and built in a guest, taken out',
  async ({ architecture, kernelOf, machine }) => {
    const context = { signal: AbortSignal.timeout(15 * MINUTES), report: () => undefined };
    const request = BuildRequest.parse({
      architecture,
      recipe: {
        ...{ kind: 'script', name: 'who-am-i', packages: ['hello'], output: 'out' },
        script: 'mkdir out; uname -m >out/machine; dpkg --print-architecture >out/debian; hello >out/said',
      },
      resources: { cpus: 2, memoryMiB: 1024, diskMiB: 1024, swapMiB: 256 },
    });
    const directory = join(TEST_CACHE, 'guests');
    const store = createDirectoryStore({ directory: join(directory, 'store') });
    const inputs = createInputCache({ directory: join(directory, 'inputs'), store });
    onTestFinished(() => inputs.close());
    const resolver = createAptResolver({
      ...{ store, download: inputs, recipes, directory: join(directory, 'lists') },
      repositories: () => stable(join(directory, 'releases')),
      kernelPackage: 'linux-image-cloud-{architecture}',
    });
    const lock = await resolver.resolve(request, context);
    expect(lock.kernel?.architecture).toBe(kernelOf);
    const toolkit = lock.toolkit?.map((each) => each.package) ?? [];
    expect(toolkit.includes('busybox-static')).toBe(kernelOf !== nativeKernelArchitecture());
    expect(new Set(lock.base.map((each) => each.architecture))).toEqual(new Set([architecture, 'all']));
    await inputs.fetch(inputsOf(lock), context);

    const root = await temporaryFolder();
    const scratch = await createScratch(root, 'host-run-1-1');
    const vm = createQemuVm({ type: 'qemu', uid: 64_055, gid: 64_055 });
    onTestFinished(async () => {
      for (const name of BOOTS) await vm.kill(scratch.vm(name));
      await deleteScratch(root, 'host-run-1-1');
    });
    const disks = await diskFiles.give(scratch, request.resources, context.signal);
    const guests = createGuests({ inputs, cache: TEST_CACHE, kernel: { from: 'package' } });
    const used = await guests.prepareKernel({ lock, filesystem: ext4, scratch, vm: 'qemu' }, context);
    expect(used).toMatchObject({ from: 'package', release: expect.stringContaining(kernelOf) });
    const plan = recipes.script.plan(request, lock);
    await fillDisk({ filesystem: ext4, disk: disks.disk, tree: scratch.tree, context }, (tree) =>
      guests.fillTree({ packages: [...lock.base, ...lock.dependencies], plan, tree }, context),
    );

    for (const phase of ['install', 'build'] as const) {
      const boot = { nonce: NONCE, logBase: 0 };
      const incoming = incomingOf(plan, lock, { phase });
      const on = { ...disks, filesystem: ext4 };
      const spec = {
        ...specOf(scratch, on, request, plan, { phase }, boot),
        ...(incoming === undefined
          ? {}
          : { incoming: await guests.handIn(scratch, disks.swap, incoming, context) }),
      };
      await guests.writeInitramfs(scratch, spec);
      await vm.start(scratch.vm(phase), spec, bootTime() + 900);
      await expect
        .poll(async () => (await vm.status(scratch.vm(phase))).state, {
          timeout: 12 * MINUTES,
          interval: 500,
        })
        .toBe('ended');
      const { end } = await vm.status(scratch.vm(phase));
      const log = await readFile(join(scratch.vm(phase), 'log'), 'utf8');
      expect({ end, log }).toMatchObject({ end: { kind: 'succeeded' } });
    }

    await mkdir(scratch.artifacts);
    const artifacts = await extractArtifacts({
      ...{ phase: 'build', nonce: NONCE, ...disks, into: scratch.artifacts },
      ...{ limits: { bytes: 1e6, files: 10 }, ...context },
    });
    const text = (name: string) => readFile(join(scratch.artifacts, name), 'utf8');
    expect(artifacts.map(({ path }) => path).sort()).toEqual(['debian', 'machine', 'said']);
    expect([await text('machine'), await text('debian'), await text('said')]).toEqual([
      ...[`${machine}\n`, `${architecture}\n`, 'Hello, world!\n'],
    ]);
  },
  20 * MINUTES,
);
