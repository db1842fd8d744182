import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { expect, test } from 'vitest';
import type { Lease } from '../../activities/contract.ts';
import { uploadArtifacts } from '../../activities/upload-artifacts.ts';
import { extractArtifacts } from '../../extraction/extract.ts';
import { WrittenFiles } from '../../extraction/written-files.ts';
import { createDirectoryStore } from '../../stores/directory.ts';
import { logStream } from '../../workflows/names.ts';
import { handmade } from '../extraction/guest-disk.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const LEASE = { id: 'lease-1' } as Lease;

async function extracted() {
  const scratch = await temporaryFolder();
  const folder = join(scratch, LEASE.id);
  await mkdir(folder);
  const list = 'D 755 d\nF 755 60000 d/f\nE disk 0 118 0\nF 644 0 empty\nH twin\nT d/f\nS s\nT d/f\n';
  const given = await handmade(folder, list, randomBytes(64 * 1024));
  const into = join(folder, 'artifacts');
  await mkdir(into);
  const written = new WrittenFiles();
  const artifacts = await extractArtifacts({ ...given, into, written });
  const directory = await temporaryFolder();
  const store = createDirectoryStore({ directory });
  const environment = new MockActivityEnvironment(
    { workflowExecution: { workflowId: 'w', runId: 'r' } },
    { logger: new DefaultLogger('ERROR') },
  );
  await store.appendLog(logStream('r'), 0, Buffer.from('the log\n'));
  const leases = { check: async () => undefined } as never;
  const needs = { leases, directories: { scratch } as never, store };
  const upload = (known: WrittenFiles) =>
    environment.run(uploadArtifacts(needs, known), LEASE, artifacts) as Promise<{ log: { sha256: string } }>;
  const inode = async (path: string) => (await stat(path)).ino;
  const blob = (digest: string) => join(directory, 'blobs', digest.slice(0, 2), digest);
  return { into, artifacts, store, written, upload, inode, blob };
}

test.each(['as it was written', 'after the worker began anew'])(
  'artifacts and log become blobs, %s',
  async (when) => {
    const { into, artifacts, store, written, upload, inode, blob } = await extracted();
    const { log } = await upload(when === 'as it was written' ? written : new WrittenFiles());
    for (const { path, sha256 = '' } of artifacts.filter(({ kind }) => kind === 'file')) {
      expect(await inode(blob(sha256))).toBe(await inode(join(into, path)));
      const found = createHash('sha256')
        .update(await readFile(blob(sha256)))
        .digest('hex');
      expect(found).toBe(sha256);
    }
    expect(Buffer.from(await store.readBytes(log.sha256)).toString()).toBe('the log\n');
  },
);

test('an attempt after one whose log is a blob already does not write into that', async () => {
  const { store, written, upload } = await extracted();
  const first = await upload(written);
  await store.appendLog(logStream('r'), 8, Buffer.from('one line more\n'));
  const second = await upload(written);
  expect(Buffer.from(await store.readBytes(first.log.sha256)).toString()).toBe('the log\n');
  expect(Buffer.from(await store.readBytes(second.log.sha256)).toString()).toBe('the log\none line more\n');
});

test('an artifact that is not what was extracted any more is not published', async () => {
  const { into, upload, written } = await extracted();
  await writeFile(join(into, 'd/f'), 'half', { flag: 'r+' });
  await expect(upload(written)).rejects.toMatchObject({ type: 'InputRejected' });
});
