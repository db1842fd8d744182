import { run } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { BuildResult } from '../schema/result.ts';
import type { Suite } from './suite.ts';

/** @throws SlipwayFailure InvalidRequest with all words that Debian knows no architecture by */
export async function checkArchitectures(words: readonly string[]): Promise<void> {
  if (words.length === 0) return;
  const { stdout } = await run(['dpkg-architecture', '--list-known']);
  const known = new Set(stdout.split('\n'));
  const unknown = words.filter((word) => word === '' || !known.has(word));
  if (unknown.length === 0) return;
  throw new SlipwayFailure('InvalidRequest', `no architecture of Debian: ${unknown.join(', ')}`, {
    items: unknown,
    advice: 'Say amd64, arm64, or another that dpkg-architecture --list-known prints.',
  });
}

/**
 * What a suite is for: what it was for, its packages, and those that are named. Where it has no package of any one
 * architecture yet, also what was built for and what this host is, so that apt can read it at all.
 */
export async function architecturesOf(
  suite: Suite,
  named: readonly string[],
  results: readonly BuildResult[],
): Promise<string[]> {
  const entries = [...suite.components.values()].flat().map(({ architecture }) => architecture);
  const found = new Set([...suite.architectures, ...entries]);
  found.delete('all');
  found.delete('source');
  if (found.size === 0) {
    for (const { request } of results) found.add(request.architecture);
    found.add((await run(['dpkg', '--print-architecture'])).stdout.trim());
  }
  return [...new Set([...found, ...named])].sort();
}
