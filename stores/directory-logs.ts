import { constants } from 'node:fs';
import { open, readdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { ignoreMissing, syncFolder } from '../host/atomic-file.ts';
import type { Root } from './directory-root.ts';
import { checkedName } from './names.ts';

/** As of records: there can be a log `a` and a log `a/b`. */
const SUFFIX = '@log';
const DEFAULT_LIMIT = 1024 * 1024;

/**
 * A live log is one file that only grows. The file's size is the whole state: an append that died half way left the
 * beginning of its bytes, and who repeats it writes the rest. A writer that does not know of another one writes, of
 * the same log, the same bytes to the same place. The kernel raises the size after the bytes are there, so that a
 * reader sees no bytes that were not written.
 */
export async function appendLog(
  root: Root,
  stream: string,
  offset: number,
  bytes: Uint8Array,
): Promise<void> {
  const path = logPath(root, stream);
  checkPosition('offset', offset);
  await root.makeFolder(dirname(path));
  await using handle = await open(path, constants.O_WRONLY | constants.O_CREAT, 0o644);
  const { size } = await handle.stat();
  if (offset > size) {
    throw new RangeError(`the log ${stream} has ${size} bytes: nothing can be appended at ${offset}`);
  }
  for (let at = size; at < offset + bytes.length; ) {
    at += (await handle.write(bytes, at - offset, null, at)).bytesWritten;
  }
  await handle.datasync();
  if (size === 0) await syncFolder(dirname(path));
}

export async function logSize(root: Root, stream: string): Promise<number> {
  const found = await stat(logPath(root, stream)).catch(ignoreMissing);
  if (found === undefined) await root.confirm();
  return found?.size ?? 0;
}

export async function readLog(
  root: Root,
  stream: string,
  offset: number,
  limit = DEFAULT_LIMIT,
): Promise<Uint8Array> {
  checkPosition('offset', offset);
  checkPosition('limit', limit);
  const found = await open(logPath(root, stream)).catch(ignoreMissing);
  if (found === undefined) {
    await root.confirm();
    return new Uint8Array();
  }
  await using handle = found;
  const { size } = await handle.stat();
  const bytes = Buffer.alloc(Math.min(limit, Math.max(0, size - offset)));
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await handle.read(bytes, length, bytes.length - length, offset + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

export async function* listLogs(
  root: Root,
): AsyncGenerator<{ stream: string; bytes: number; appendedAt: Date }> {
  await root.confirm();
  const logs = join(root.path, 'logs');
  const entries = await readdir(logs, { recursive: true, withFileTypes: true }).catch(ignoreMissing);
  for (const entry of entries ?? []) {
    if (!entry.isFile() || !entry.name.endsWith(SUFFIX)) continue;
    const path = join(entry.parentPath, entry.name);
    const found = await stat(path).catch(ignoreMissing);
    if (found === undefined) continue;
    const stream = relative(logs, path).slice(0, -SUFFIX.length);
    yield { stream, bytes: found.size, appendedAt: found.mtime };
  }
}

export async function deleteLog(root: Root, stream: string): Promise<void> {
  await unlink(logPath(root, stream)).catch(ignoreMissing);
}

function checkPosition(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`no ${what} in a log: ${value}`);
}

function logPath(root: Root, stream: string): string {
  return join(root.path, 'logs', `${checkedName(stream)}${SUFFIX}`);
}
