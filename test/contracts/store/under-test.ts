import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Store } from '../../../stores/store.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

/** A new, empty store for one test. */
export interface StoreUnderTest {
  store: Store;
  /** A second client of the same store: what another process has. */
  reopen(): Store;
  /** Changes the content of a blob behind the store's back. */
  damage(digest: string): Promise<void>;
  /** Milliseconds that lie between two puts of which the store knows which was first. */
  timeStep: number;
  cleanup(): Promise<void>;
}

export const ABSENT = '0'.repeat(64);
export const MIB = 1024 * 1024;

/** A file of the caller's, with a name that is not easy. */
export async function file(bytes: Uint8Array): Promise<string> {
  const path = join(await temporaryFolder(), 'a file, with a comma');
  await writeFile(path, bytes);
  return path;
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function string(bytes: Uint8Array | undefined): string | undefined {
  return bytes && new TextDecoder().decode(bytes);
}
