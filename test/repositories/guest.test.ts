import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { recipes } from '../../recipes/index.ts';
import { createInputCache } from '../../repositories/cache.ts';
import { createAptResolver, workerGuest } from '../../repositories/resolve.ts';
import type { Lock } from '../../schema/lock.ts';
import { type Architecture, BuildRequest } from '../../schema/request.ts';
import type { KernelArchitecture } from '../../vm/architectures.ts';
import { addPackages, BASIC_PACKAGES, type Package, publish } from './fixtures/archive.ts';
import { DIRECT, type Setting, setting } from './fixtures/setting.ts';

const ARCHITECTURES = ['amd64', 'i386', 'arm64', 'armhf'] as const;
const PROGRAMS = ['busybox-static', 'e2fsprogs', 'findutils', 'util-linux'];

const roots: Package[] = ARCHITECTURES.flatMap((each) =>
  ['tiny-base', 'tiny-lib', 'busybox-static'].map((name) => ({
    ...{ Package: name, Architecture: each, Version: '2.0' },
    ...(name === 'tiny-base' ? { Essential: 'yes', Depends: 'tiny-lib' } : {}),
  })),
);
const onArm: Package[] = [
  { Package: 'linux-image-cloud-arm64', Depends: 'linux-image-6.3-cloud-arm64 (= 6.3-1)' },
  { Package: 'linux-image-6.3-cloud-arm64', Version: '6.3-1' },
  ...['e2fsprogs', 'findutils', 'util-linux'].map((name) => ({ Package: name, Depends: 'tiny-lib' })),
].map((each) => ({ ...each, Architecture: 'arm64' }));

async function published(packages: readonly Package[]): Promise<Setting> {
  const made = await setting();
  await addPackages(made.archive, packages);
  await publish(made.archive, { key: made.key, architectures: ARCHITECTURES });
  return made;
}

function names(packages: Lock['toolkit'] = []): string[] {
  return packages.map((each) => `${each.package}:${each.architecture}`);
}

describe('what a guest boots from', () => {
  const options = (made: Setting, native: KernelArchitecture, kernelPackage?: string) => ({
    ...{ store: made.store, repositories: [made.repository], directory: join(made.folder, 'apt') },
    ...{ kernelPackage, native, proxies: DIRECT },
  });
  const resolve = (
    made: Setting,
    architecture: Architecture,
    native: KernelArchitecture,
    kernel?: string,
  ) => {
    const download = createInputCache({ directory: join(made.folder, 'cache'), store: made.store });
    onTestFinished(() => download.close());
    return createAptResolver({ ...options(made, native, kernel), download, recipes }).resolve(
      BuildRequest.parse({ architecture, recipe: { kind: 'script', name: 'tiny', script: 'true' } }),
      { signal: AbortSignal.timeout(60_000), report: () => {} },
    );
  };

  test('is a kernel for the architecture of each, and programs where the hosts are of another', async () => {
    const made = await published([...BASIC_PACKAGES, ...roots, ...onArm]);
    const toolkit = [...PROGRAMS, 'tiny-lib'].sort().map((name) => `${name}:arm64`);
    const cases = [
      ['amd64', 'amd64', 'linux-image-6.2-cloud-amd64', []],
      ['i386', 'amd64', 'linux-image-6.2-cloud-amd64', []],
      ['arm64', 'amd64', 'linux-image-6.3-cloud-arm64', toolkit],
      ['armhf', 'amd64', 'linux-image-6.3-cloud-arm64', toolkit],
      ['arm64', 'arm64', 'linux-image-6.3-cloud-arm64', []],
      ['armhf', 'arm64', 'linux-image-6.3-cloud-arm64', []],
    ] as const;
    for (const [architecture, native, kernel, programs] of cases) {
      const lock = await resolve(made, architecture, native, 'linux-image-cloud-{architecture}');
      expect(lock.kernel?.package, architecture).toBe(kernel);
      expect(names(lock.toolkit), architecture).toEqual(programs);
      expect(names(lock.base)).toEqual(['tiny-base', 'tiny-lib'].map((name) => `${name}:${architecture}`));
      const guest = await workerGuest(
        options(made, native, 'linux-image-cloud-{architecture}'),
        architecture,
        AbortSignal.timeout(60_000),
      );
      expect(guest, architecture).toEqual(
        lock.toolkit === undefined ? { kernel: lock.kernel } : { kernel: lock.kernel, toolkit: lock.toolkit },
      );
    }
  });

  test('has no kernel where the hosts have their own', async () => {
    const made = await published([...BASIC_PACKAGES, ...roots, ...onArm]);
    expect(await resolve(made, 'amd64', 'amd64')).not.toHaveProperty('kernel');
    const foreign = await resolve(made, 'arm64', 'amd64');
    expect(foreign).not.toHaveProperty('kernel');
    expect(names(foreign.toolkit)).toContain('busybox-static:arm64');
  });

  test('that the repositories do not have is named', async () => {
    const made = await published([...BASIC_PACKAGES, ...roots]);
    await expect(resolve(made, 'armhf', 'amd64', 'linux-image-cloud-{architecture}')).rejects.toMatchObject({
      ...{ type: 'UnresolvableDependencies' },
      message: 'the repositories have no kernel package linux-image-cloud-arm64',
    });
    // The same name for all: there is none such for arm64.
    await expect(resolve(made, 'arm64', 'amd64', 'linux-image-cloud-amd64')).rejects.toMatchObject({
      more: { items: ['linux-image-cloud-amd64'], advice: expect.stringContaining('{architecture}') },
    });
    await expect(resolve(made, 'arm64', 'amd64')).rejects.toMatchObject({
      ...{
        type: 'UnresolvableDependencies',
        message: expect.stringMatching(/e2fsprogs|util-linux|findutils/),
      },
    });
  });
});
