import canonicalize from 'canonicalize';
import type { Artifact, BuildResult } from '../../schema/result.ts';
import { BlobMissing, type Store } from '../../stores/store.ts';
import { documentDifference, isDocument, type Setting } from './documents.ts';

/** A .buildinfo or .changes is a few hundred KiB. */
const DOCUMENT_BYTES = 16 * 1024 * 1024;

/**
 * `identical`: bit by bit; `expected`: a document that differs only in what differs between any two builds; `missing`: only
 * the first build has it; `additional`: only the second has it.
 */
export type Verdict = 'identical' | 'expected' | 'differs' | 'missing' | 'additional';

/** One artifact of two builds. */
export interface ComparedArtifact {
  path: string;
  verdict: Verdict;
  /** In what it differs, where that is known without a diff. */
  why?: string;
  first?: Artifact;
  second?: Artifact;
}

/** What two results of builds have in common. */
export interface Comparison {
  first: BuildResult;
  second: BuildResult;
  /** No artifact differs, is missing or additional. */
  isReproducible: boolean;
  artifacts: ComparedArtifact[];
}

/**
 * Compares the artifacts of two results by their digests; .buildinfo and .changes that differ by their meaning. Logs are
 * not compared: they are full of times.
 * @throws SlipwayFailure StoreUnavailable
 */
export async function compareResults(
  store: Pick<Store, 'readBytes'>,
  first: BuildResult,
  second: BuildResult,
): Promise<Comparison> {
  const [a, b] = [byPath(first), byPath(second)];
  const paths = [...new Set([...a.keys(), ...b.keys()])].sort();
  const setting: Setting = {
    artifacts: new Set(paths),
    sameLock: first.lock === second.lock,
    sameRequest: asked(first) === asked(second),
  };
  const artifacts: ComparedArtifact[] = [];
  for (const path of paths) {
    artifacts.push(await compareArtifact(store, path, a.get(path), b.get(path), setting));
  }
  const isReproducible = artifacts.every(({ verdict }) => verdict === 'identical' || verdict === 'expected');
  return { first, second, isReproducible, artifacts };
}

/** What a build was asked for, whether it was resolved for it or given a lock. */
export function asked({ request: { lock: _lock, ...request } }: BuildResult): string {
  return canonicalize(request) ?? '';
}

function byPath({ artifacts }: BuildResult): Map<string, Artifact> {
  return new Map(artifacts.map((artifact) => [artifact.path, artifact]));
}

async function compareArtifact(
  store: Pick<Store, 'readBytes'>,
  path: string,
  first: Artifact | undefined,
  second: Artifact | undefined,
  setting: Setting,
): Promise<ComparedArtifact> {
  if (first === undefined || second === undefined) {
    if (second !== undefined) return { path, verdict: 'additional', second };
    return { path, verdict: 'missing', ...(first === undefined ? {} : { first }) };
  }
  const both = { path, first, second };
  const why = outerDifference(first, second);
  if (why !== undefined) return { ...both, verdict: 'differs', why };
  if (first.sha256 === second.sha256) return { ...both, verdict: 'identical' };
  const found = isDocument(path) ? await ofDocuments(store, first, second, setting) : undefined;
  if (found === undefined) return { ...both, verdict: 'differs' };
  const { expected, unexpected } = found;
  if (unexpected.length > 0) return { ...both, verdict: 'differs', why: `in ${unexpected.join(', ')}` };
  return { ...both, verdict: 'expected', why: `only in ${expected.join(', ') || 'the order of its fields'}` };
}

/** What differs beside the content. */
function outerDifference(first: Artifact, second: Artifact): string | undefined {
  if (first.kind !== second.kind) return `a ${first.kind} became a ${second.kind}`;
  if (first.target !== second.target) return `leads to ${first.target}, then to ${second.target}`;
  if (first.executable === second.executable) return undefined;
  return first.executable ? 'is no longer executable' : 'became executable';
}

/** Undefined where one of them is gone or no such document. */
async function ofDocuments(
  store: Pick<Store, 'readBytes'>,
  first: Artifact,
  second: Artifact,
  setting: Setting,
): Promise<ReturnType<typeof documentDifference>> {
  try {
    const [a, b] = await Promise.all(
      [first, second].map(({ sha256 = '' }) => store.readBytes(sha256, DOCUMENT_BYTES)),
    );
    const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('utf8');
    return documentDifference(text(a), text(b), setting);
  } catch (error) {
    if (error instanceof BlobMissing || error instanceof RangeError) return undefined;
    throw error;
  }
}
