import { randomUUID } from 'node:crypto';
import type { Store } from './store.ts';

/**
 * Puts, appends and deletes once, leaving nothing behind but the empty blob: whether who runs here may use the store.
 * @throws SlipwayFailure StoreUnavailable where it cannot be reached or refuses
 */
export async function tryStore(
  store: Pick<Store, 'putBytes' | 'readBytes' | 'appendLog' | 'deleteLog'>,
): Promise<void> {
  // The empty blob: written once, the same for everybody.
  const empty = await store.putBytes(new Uint8Array());
  // Written on condition, and deleted again: a server of S3 may be able to neither.
  const log = `doctor/${randomUUID()}`;
  await store.appendLog(log, 0, new Uint8Array([0x0a]));
  await store.deleteLog(log);
  await store.readBytes(empty);
}
