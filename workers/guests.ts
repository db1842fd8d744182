import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dependencies, Guests } from '../activities/dependencies.ts';
import { bootInitramfs } from '../guest/initramfs.ts';
import { unpackKernel } from '../guest/kernel.ts';
import { toolkitInitramfs } from '../guest/toolkit.ts';
import { preinstall } from '../recipes/debian/build-root/preinstall.ts';
import type { InputFile } from '../schema/lock.ts';
import type { GuestSpec } from '../vm/vm.ts';

export interface GuestsOptions {
  inputs: Pick<Dependencies['inputs'], 'path'>;
  /** Absolute folder in which unpacked kernels are kept. */
  cache: string;
}

/** Guests of Debian packages and a distribution's kernel. */
export function createGuests({ inputs, cache }: GuestsOptions): Guests {
  const fetched = <F extends InputFile>(file: F) => ({ ...file, path: inputs.path(file.sha256) });
  return {
    fillTree: ({ lock, plan, tree }, context) =>
      preinstall({
        tree,
        packages: [...lock.base, ...lock.dependencies].map(fetched),
        sources: plan.sources.map(fetched),
        sourcesDirectory: plan.sourcesDirectory,
        context,
      }),
    prepareKernel: async ({ lock, filesystem, scratch }, { signal }) => {
      const kernel = await unpackKernel({ deb: inputs.path(lock.kernel.sha256), cache, signal });
      await copyFile(kernel.image, scratch.kernel);
      await toolkitInitramfs({
        kernel,
        filesystemModules: filesystem.modules,
        into: toolkitOf(scratch.folder),
      });
    },
    writeInitramfs: (scratch, spec) => writeInitramfs(toolkitOf(scratch.folder), spec),
  };
}

/** Writes the initramfs of a boot to where its spec says. */
export function writeInitramfs(toolkit: string, spec: GuestSpec): Promise<void> {
  return bootInitramfs({ spec, toolkit, into: spec.initramfs });
}

function toolkitOf(folder: string): string {
  return join(folder, 'toolkit');
}
