import { copyFile, mkdir, rm, stat } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import type { Guests } from '../activities/dependencies.ts';
import { type Incoming, incomingBytes, writeIncoming } from '../guest/incoming.ts';
import { bootInitramfs } from '../guest/initramfs.ts';
import { toolkitInitramfs } from '../guest/toolkit.ts';
import { digestOf } from '../guest/unpacked.ts';
import { lookAtDisk } from '../images/raw-disk.ts';
import { handInName, plainPackages } from '../recipes/debian/build-root/hand-in.ts';
import { preinstall } from '../recipes/debian/build-root/preinstall.ts';
import type { InputCache } from '../repositories/cache.ts';
import type { InputFile, InputPart, LockedPackage } from '../schema/lock.ts';
import type { VmType } from '../schema/request.ts';
import type { UsedKernel } from '../schema/result.ts';
import type { GuestSpec } from '../vm/vm.ts';
import { codeDigest } from './code-digest.ts';
import type { KernelConfiguration } from './configuration/kernel.ts';
import { makeToolkit } from './guest-kernel.ts';

export interface GuestsOptions {
  inputs: Pick<InputCache, 'path' | 'ready'>;
  /** Absolute folder in which unpacked kernels are kept. */
  cache: string;
  kernel: KernelConfiguration;
}

/** Guests of Debian packages, with the kernel that the operator chose. */
export function createGuests({ inputs, cache, kernel }: GuestsOptions): Guests {
  const coming = (file: LockedPackage) => ({
    ...file,
    path: (signal: AbortSignal) => inputs.ready(file, signal),
  });
  const fetched = <F extends InputFile>(file: F) => ({ ...file, path: inputs.path(file.sha256) });
  return {
    fillTree: ({ packages, plan, tree }, context) =>
      preinstall({
        tree,
        packages: packages.map(coming),
        sourcesDirectory: plan.sourcesDirectory,
        context,
      }),
    prepareKernel: async ({ lock, filesystem, scratch, vm }, { signal }) => {
      if (vm === 'container') return prepareContainer(toolkitOf(scratch.folder));
      const boot = { ...lock, packages: [...lock.base, ...lock.dependencies] };
      const into = toolkitOf(scratch.folder);
      const to = { filesystemModules: filesystem.modules, into, aside: scratch.kernelTree };
      const kernels = { configuration: kernel, path: ({ sha256 }: InputFile) => inputs.path(sha256), cache };
      const booted = await makeToolkit(kernels, boot, to, signal);
      await copyFile(booted.image, scratch.kernel);
      return {
        ...{ from: kernel.from, release: booted.release },
        ...{ image: await digestOf(scratch.kernel), initramfs: await digestOf(into) },
      };
    },
    kernelParts: (vm) => partsOf(vm, kernel),
    code: codeDigest,
    handIn: async ({ incoming: aside }, swap, { folder, owner, files, packages }, context) => {
      const write = async (laid: Incoming['files']) => {
        const bytes = await writeIncoming({ folder, owner, files: laid }, swap, aside, context.signal);
        return { folder, bytes };
      };
      if (packages === undefined) return write((files ?? []).map(fetched));
      const plain = `${aside}-plain`;
      await rm(plain, { recursive: true, force: true });
      await mkdir(plain, { mode: 0o700 });
      const laid = await plainPackages(packages.map(coming), plain, context);
      const sizes = await Promise.all(laid.map(async ({ path }) => (await stat(path)).size));
      const fits = incomingBytes(sizes) <= (await lookAtDisk(swap)).bytes;
      // Larger than the swap: as they came, which is what the swap was made for.
      const asTheyCame = packages.map((file) => ({
        path: inputs.path(file.sha256),
        name: handInName(coming(file)),
      }));
      const handedIn = await write(fits ? laid : asTheyCame);
      await rm(plain, { recursive: true });
      return handedIn;
    },
    writeInitramfs: (scratch, spec) => writeInitramfs(toolkitOf(scratch.folder), spec),
  };
}

/** Whose kernel is in the build root needs its packages. */
function partsOf(vm: VmType, { from }: KernelConfiguration): InputPart[] {
  if (vm === 'container') return [];
  return from === 'build-root' ? ['guest', 'base', 'dependencies'] : ['guest'];
}

/** Programs and scripts alone: the kernel is the host's. */
async function prepareContainer(into: string): Promise<UsedKernel> {
  await toolkitInitramfs({ filesystemModules: [], into });
  return { from: 'host', release: release(), initramfs: await digestOf(into) };
}

/** Writes the initramfs of a boot to where its spec says. */
export function writeInitramfs(toolkit: string, spec: GuestSpec): Promise<void> {
  return bootInitramfs({ spec, toolkit, into: spec.initramfs });
}

function toolkitOf(folder: string): string {
  return join(folder, 'toolkit');
}
