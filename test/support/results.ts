import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { buildId } from '../../schema/build-id.ts';
import { BuildRequest, type BuildRequestInput } from '../../schema/request.ts';
import { BuildResult } from '../../schema/result.ts';
import type { Store } from '../../stores/store.ts';
import { resultRecord } from '../../workflows/names.ts';

export interface FakeResult {
  name: string;
  version?: string;
  outcome?: BuildResult['outcome'];
  /** Default: now. */
  startedAt?: Date;
  /** Files that it made, by path. */
  artifacts?: readonly string[];
  /** More of the request, which makes it another build. */
  request?: Partial<BuildRequestInput>;
  /** Digests of input files that its lock names. */
  inputs?: readonly string[];
}

/** Publishes a result as a build does, with lock, log and artifacts as blobs. */
export async function putResult(store: Store, fake: FakeResult): Promise<BuildResult> {
  const { name, version = '1.0', outcome = 'succeeded', startedAt = new Date(), inputs = [] } = fake;
  const request = BuildRequest.parse({
    recipe: { kind: 'debian', source: { name, version } },
    ...fake.request,
  });
  const artifacts = [];
  for (const file of fake.artifacts ?? []) {
    const bytes = await readFile(file);
    const sha256 = await store.putBytes(bytes);
    artifacts.push({ path: basename(file), kind: 'file', size: bytes.length, sha256 });
  }
  const log = Buffer.from(`the log of ${name} ${version} ${startedAt.toISOString()}\n`);
  const result = BuildResult.parse({
    version: 1,
    build: buildId(request),
    run: randomUUID(),
    outcome,
    request,
    package: { name, version },
    lock: await store.putBytes(Buffer.from(JSON.stringify(lockOf(name, version, inputs)))),
    log: { sha256: await store.putBytes(log), size: log.length },
    artifacts,
    host: 'host',
    vm: { type: 'qemu', isolation: 'emulated' },
    startedAt: startedAt.toISOString(),
    endedAt: startedAt.toISOString(),
    statistics: { totalSeconds: 1, phaseSeconds: {}, downloadedBytes: 0, inputBytes: 0, artifactBytes: 0 },
  });
  await store.publish(resultRecord(result.build, result.run), Buffer.from(JSON.stringify(result)));
  return result;
}

function lockOf(name: string, version: string, inputs: readonly string[]) {
  const files = inputs.map((sha256) => ({ name: sha256, urls: [], size: 1, sha256 }));
  const kernel = { name: 'kernel.deb', urls: ['http://example.org/kernel.deb'], size: 1 };
  return {
    version: 1,
    architecture: 'amd64',
    source: { name, version, dsc: `${name}.dsc`, files },
    base: [],
    dependencies: [],
    kernel: {
      ...kernel,
      sha256: createHash('sha256').update('kernel').digest('hex'),
      package: 'linux-image',
      version: '6.1',
      architecture: 'amd64',
    },
    repositories: [],
  };
}
