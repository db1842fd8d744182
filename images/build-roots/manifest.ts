import { hash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { CorruptFile, readJson, writeFileAtomic } from '../../host/atomic-file.ts';
import { CHUNK } from './each-chunk.ts';

/** Files of a kept root. */
export const DISK = 'disk';
const MANIFEST = 'manifest.json';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** What a kept root consists of. All of the disk that is not among the chunks is zeros. */
export const Manifest = z.strictObject({
  version: z.literal(1),
  key: Sha256,
  what: z.string().max(500).describe('For operators'),
  madeAt: z.iso.datetime(),
  diskBytes: z.int().min(1),
  chunkBytes: z.literal(CHUNK),
  chunks: z.array(z.strictObject({ at: z.int().min(0).describe('Number of the chunk'), sha256: Sha256 })),
  digest: Sha256.describe('Of all that is to be relied on above'),
});
export type Manifest = z.infer<typeof Manifest>;

type Content = Omit<Manifest, 'version' | 'chunkBytes' | 'digest'>;

/** Writes the manifest of a root into its folder; durable when it returns. */
export async function writeManifest(folder: string, content: Content): Promise<void> {
  const manifest: Manifest = { version: 1, ...content, chunkBytes: CHUNK, digest: digestOf(content) };
  await writeFileAtomic(join(folder, MANIFEST), `${JSON.stringify(Manifest.parse(manifest))}\n`, {
    mode: 0o400,
  });
}

/** Undefined where there is none. @throws CorruptFile where it is damaged, or that of another root */
export async function readManifest(folder: string, key: string): Promise<Manifest | undefined> {
  const path = join(folder, MANIFEST);
  const manifest = await readJson(path, Manifest);
  if (manifest === undefined) return undefined;
  if (manifest.key !== key) throw new CorruptFile(path, `it is of the root ${manifest.key}`);
  if (manifest.digest !== digestOf(manifest)) throw new CorruptFile(path, 'its digest is another');
  return manifest;
}

function digestOf({ key, diskBytes, chunks }: Pick<Manifest, 'key' | 'diskBytes' | 'chunks'>): string {
  return hash('sha256', JSON.stringify([key, diskBytes, chunks.map(({ at, sha256 }) => [at, sha256])]));
}
