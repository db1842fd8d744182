import { incomingBytes } from '../guest/incoming.ts';
import { type Lock, layersOf } from '../schema/lock.ts';

const MIB = 1024 ** 2;

/** Of the swap, at the least, MiB: through it come the sources of a build, and the packages that the guest unpacks. */
export function handedInMiB(
  lock: Pick<Lock, 'source' | 'files' | 'base' | 'dependencies' | 'shared'>,
): number {
  const { source, files = [] } = lock;
  const bytes = [[...source.files, ...files], layersOf(lock).rest].map((inputs) =>
    incomingBytes(inputs.map(({ size }) => size)),
  );
  return Math.ceil(Math.max(...bytes) / MIB);
}
