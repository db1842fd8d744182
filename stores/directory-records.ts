import { link, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ignoreMissing, syncFolder } from '../host/atomic-file.ts';
import { type Root, writeDurably } from './directory-root.ts';
import { checkedName, checkedPrefix } from './names.ts';

/** No name has an `@`: so there can be a record `a` and, in the folder `a`, a record `a/b`. */
const SUFFIX = '@record';

/**
 * The record is complete and on the disk under a name of its own before link(2) gives it its name, which fails where
 * that is taken: exactly one writer is first, whatever the number of processes and hosts, and no reader sees a part.
 */
export async function publish(
  root: Root,
  name: string,
  bytes: Uint8Array,
): Promise<{ first: boolean; bytes: Uint8Array }> {
  const path = recordPath(root, name);
  const first = !(await exists(path)) && (await linkNew(root, path, bytes));
  // Also after another's: it may not have come as far as this.
  await syncFolder(dirname(path));
  return { first, bytes: first ? bytes : await readFile(path) };
}

async function linkNew(root: Root, path: string, bytes: Uint8Array): Promise<boolean> {
  const temporary = root.temporary();
  try {
    await writeDurably(temporary, bytes);
    await root.makeFolder(dirname(path));
    await link(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    await unlink(temporary).catch(ignoreMissing);
  }
}

export async function readRecord(root: Root, name: string): Promise<Uint8Array | undefined> {
  const bytes = await readFile(recordPath(root, name)).catch(ignoreMissing);
  if (bytes === undefined) await root.confirm();
  return bytes;
}

export async function* listRecords(root: Root, prefix: string): AsyncGenerator<string> {
  await root.confirm();
  yield* walk(join(root.path, 'records'), checkedPrefix(prefix));
}

/** In the order of whole names: `a-b` comes before `a/b`, though the folder `a` is before `a-b`. */
async function* walk(records: string, prefix: string): AsyncGenerator<string> {
  const entries = (await readdir(join(records, prefix), { withFileTypes: true }).catch(ignoreMissing)) ?? [];
  const names = entries.flatMap((entry) => {
    if (entry.isDirectory()) return [`${prefix}${entry.name}/`];
    return entry.name.endsWith(SUFFIX) ? [`${prefix}${entry.name.slice(0, -SUFFIX.length)}`] : [];
  });
  for (const name of names.sort()) {
    if (name.endsWith('/')) yield* walk(records, name);
    else yield name;
  }
}

export async function deleteRecord(root: Root, name: string): Promise<void> {
  await unlink(recordPath(root, name)).catch(ignoreMissing);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(ignoreMissing)) !== undefined;
}

function recordPath(root: Root, name: string): string {
  return join(root.path, 'records', `${checkedName(name)}${SUFFIX}`);
}
