import { createWriteStream } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Artifact } from '../../schema/result.ts';
import { BlobMissing, type Store } from '../../stores/store.ts';
import type { ComparedArtifact } from './comparison.ts';
import { asText, debDifference } from './deb-difference.ts';
import { diffoscope } from './diffoscope.ts';
import { firstDifference } from './first-difference.ts';
import { textDiff } from './text-diff.ts';
import { openWorkshop, ToolFailed, type Workshop } from './workshop.ts';

/** Of larger files only the digests are compared: both are copied to look into them. */
const MOST_BYTES = 2 * 1024 ** 3;
/** What is kept of one diff, characters. */
const DIFF_LENGTH = 256 * 1024;
const SMALL = 1 << 20;

/** How two contents of one artifact differ. */
export interface Difference {
  path: string;
  by: 'diffoscope' | 'slipway';
  text: string;
  /** The text goes on; this is its beginning. */
  isCut: boolean;
}

/**
 * The diffs of all artifacts that differ, in their order, each when it is ready.
 * @param program diffoscope; undefined: our own shorter comparison
 * @throws SlipwayFailure StoreUnavailable
 */
export async function* differences(
  store: Store,
  artifacts: readonly ComparedArtifact[],
  program: string | undefined,
): AsyncGenerator<Difference> {
  for (const { path, verdict, first, second } of artifacts) {
    if (verdict !== 'differs' || first?.kind !== 'file' || second?.kind !== 'file') continue;
    if (first.sha256 === second.sha256) continue;
    const { by, text } = await differenceOf(store, first, second, program);
    yield { path, by, text: text.slice(0, DIFF_LENGTH), isCut: text.length > DIFF_LENGTH };
  }
}

async function differenceOf(
  store: Store,
  first: Artifact,
  second: Artifact,
  program: string | undefined,
): Promise<Pick<Difference, 'by' | 'text'>> {
  if (first.size + second.size > MOST_BYTES) return { by: 'slipway', text: 'too large to look into\n' };
  await using workshop = await openWorkshop();
  try {
    const a = await lay(store, workshop, 'first', first);
    const b = await lay(store, workshop, 'second', second);
    const { by, text } = await explain(workshop, a, b, program);
    return { by, text: text.replaceAll(`${workshop.folder}/`, '') };
  } catch (error) {
    if (!(error instanceof BlobMissing)) throw error;
    return { by: 'slipway', text: `no longer in the store: ${error.message}\n` };
  }
}

/** Lays an artifact into a folder of the workshop, under its own name. */
async function lay(store: Store, workshop: Workshop, name: string, artifact: Artifact): Promise<string> {
  const folder = join(workshop.folder, name);
  const path = join(folder, basename(artifact.path));
  await mkdir(folder);
  await workshop.show(folder, 0o750);
  await pipeline(
    await store.readBlob(artifact.sha256 ?? ''),
    createWriteStream(path, { flags: 'wx', mode: 0o600 }),
  );
  await workshop.show(path);
  return path;
}

async function explain(
  workshop: Workshop,
  first: string,
  second: string,
  program: string | undefined,
): Promise<Pick<Difference, 'by' | 'text'>> {
  if (program === undefined) return { by: 'slipway', text: await brief(workshop, first, second) };
  try {
    const text = await diffoscope(workshop, program, first, second);
    if (text !== '') return { by: 'diffoscope', text };
    return { by: 'slipway', text: await brief(workshop, first, second) };
  } catch (error) {
    if (!(error instanceof ToolFailed)) throw error;
    return {
      by: 'slipway',
      text: `diffoscope could not be used: ${error.message}\n${await brief(workshop, first, second)}`,
    };
  }
}

/** Our own comparison: packages member by member, texts line by line, all else by the first bytes that differ. */
async function brief(workshop: Workshop, first: string, second: string): Promise<string> {
  if (!/\.[ud]?deb$/.test(first)) return await plain(workshop, first, second);
  try {
    const text = await debDifference(workshop, first, second);
    if (text !== '') return text;
    return `the same content: only the archive itself differs, for instance its compression\n${await plain(workshop, first, second)}`;
  } catch (error) {
    if (!(error instanceof ToolFailed || error instanceof SyntaxError)) throw error;
    return `the packages could not be looked into: ${error.message}\n${await plain(workshop, first, second)}`;
  }
}

async function plain(workshop: Workshop, first: string, second: string): Promise<string> {
  await using a = await open(first);
  await using b = await open(second);
  const [one, other] = [(await a.stat()).size, (await b.stat()).size];
  if (one <= SMALL && other <= SMALL) {
    const [before, after] = [asText(await readFile(first)), asText(await readFile(second))];
    if (before !== undefined && after !== undefined) {
      return await textDiff(workshop, { name: basename(first), first: before, second: after });
    }
  }
  const found = await firstDifference({ file: a, offset: 0, size: one }, { file: b, offset: 0, size: other });
  return `${found}\n`;
}
