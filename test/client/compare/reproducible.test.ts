import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Comparison, compareResults } from '../../../client/compare/comparison.ts';
import { comparisonText } from '../../../client/compare/comparison-text.ts';
import { differences } from '../../../client/compare/differences.ts';
import { extractArtifacts } from '../../../extraction/extract.ts';
import type { BuildResult } from '../../../schema/result.ts';
import type { Store } from '../../../stores/store.ts';
import { testStore } from '../../support/build-host.ts';
import { startContainer } from '../../support/container-run.ts';
import { putResult } from '../../support/results.ts';

/** Runs a script in a container of its own, and publishes what it leaves in its output folder. */
async function built(store: Store, script: string): Promise<BuildResult> {
  await using container = await startContainer({ script, user: 'builder' });
  const { state } = await container.ended();
  expect(state, await container.log()).toBe('ended');
  const into = join(container.base, 'artifacts');
  await mkdir(into);
  const { phase, nonce, disk, swap } = container.spec;
  const artifacts = await extractArtifacts({
    ...{ phase, nonce, disk, swap, into },
    limits: { bytes: 64 << 20, files: 10_000 },
    signal: AbortSignal.timeout(60_000),
    report: () => undefined,
  });
  for (const { path, sha256 } of artifacts)
    if (sha256 !== undefined) await store.putFile(join(into, path), sha256);
  return { ...(await putResult(store, { name: 'tiny' })), artifacts };
}

async function builtTwice(script: string): Promise<{ store: Store; comparison: Comparison }> {
  const store = await testStore();
  const first = await built(store, script);
  const second = await built(store, script);
  return { store, comparison: await compareResults(store, first, second) };
}

/** What a build can see of where it runs. The nonce is of the tests' guests alone. */
const SURROUNDINGS = `
set -e
unset NONCE
mkdir many
i=0; while [ $i -lt 600 ]; do : >many/file-$i-with-a-name-that-fills-the-folder; i=$((i + 1)); done
find many >order-of-a-large-folder
rm -r many
{
  hostname; cat /proc/sys/kernel/hostname; id; umask; pwd; nproc; env | sort; uname -a
  find / -xdev ! -path '/proc/*' -exec stat -c '%A %u:%g %n' {} + || true
} >surroundings
`;

test('two builds see the same surroundings: what does not look at the clock comes out bit-identical', async () => {
  const { comparison } = await builtTwice(SURROUNDINGS);
  expect(comparisonText(comparison)).toMatch(/\nreproducible: 2 artifacts bit-identical$/);
});

test('a build that puts the time or chance into its result is found out, and shown', async () => {
  const { store, comparison } = await builtTwice(
    'echo stable >stable; date +%s.%N >stamp; cat /proc/uptime >>stamp; head -c 16 /dev/urandom >chance',
  );
  expect(comparison.isReproducible).toBe(false);
  expect(comparison.artifacts).toMatchObject([
    { path: 'chance', verdict: 'differs' },
    { path: 'stable', verdict: 'identical' },
    { path: 'stamp', verdict: 'differs' },
  ]);
  const diffs = [];
  for await (const diff of differences(store, comparison.artifacts, undefined)) diffs.push(diff);
  expect(diffs.map(({ path }) => path)).toEqual(['chance', 'stamp']);
  expect(diffs[0]?.text).toMatch(/^-.+\n\+/m);
  expect(diffs[1]?.text).toMatch(/^-\d+\..+\n[\s\S]*^\+\d+\./m);
});
