import { randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { SlipwayFailure } from '../schema/failures.ts';
import { checkedName, checkedPrefix } from './names.ts';
import type { S3Root } from './s3-root.ts';

/**
 * Servers that keep objects as files cannot have `a` and `a/b`, hence a suffix; `!` comes before all letters of names,
 * so that keys have the order of names.
 */
const SUFFIX = '!record';
const ATTEMPTS = 10;

/**
 * Created only where there is none. The SDK repeats a write whose answer was lost, and is then refused because of its
 * own first try: hence each writer's own name in the record's metadata.
 */
export async function publish(
  root: S3Root,
  name: string,
  bytes: Uint8Array,
): Promise<{ first: boolean; bytes: Uint8Array }> {
  const path = recordPath(name);
  await root.prove();
  const writer = randomUUID();
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const etag = await root.put(path, bytes, { condition: { IfNoneMatch: '*' }, metadata: { writer } });
    if (etag !== undefined) return { first: true, bytes };
    const there = await root.get(path);
    if (there !== undefined) {
      return { first: there.metadata.writer === writer, bytes: await buffer(there.body) };
    }
    // Another's write was under way and failed, or retention took it away.
    await pause(50 * attempt);
  }
  throw new SlipwayFailure(
    'StoreUnavailable',
    `the store ${root.location} refuses to create the record ${name} and has none`,
    { advice: 'It is tried again; see the log of the S3 server.' },
  );
}

export async function readRecord(root: S3Root, name: string): Promise<Uint8Array | undefined> {
  const found = await root.get(recordPath(name));
  if (found !== undefined) return buffer(found.body);
  await root.confirm();
  return undefined;
}

export async function* listRecords(root: S3Root, prefix: string): AsyncGenerator<string> {
  const under = `records/${checkedPrefix(prefix)}`;
  await root.confirm();
  for await (const { path } of root.list(under)) {
    if (path.endsWith(SUFFIX)) yield path.slice('records/'.length, -SUFFIX.length);
  }
}

export async function deleteRecord(root: S3Root, name: string): Promise<void> {
  await root.remove(recordPath(name));
}

function recordPath(name: string): string {
  return `records/${checkedName(name)}${SUFFIX}`;
}
