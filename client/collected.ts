import prettyBytes from 'pretty-bytes';
import type { Collected } from '../retention/gc.ts';
import type { HostCollected } from '../retention/host-caches.ts';
import { shortId } from '../workflows/names.ts';
import { printable } from './printable.ts';

/** Without what only gc itself needs. */
export function plain({ results, ...rest }: Collected): unknown {
  return {
    ...rest,
    results: results.map(({ record, build, run, version, outcome, endedAt }) => ({
      ...{ record, build, run, version, outcome },
      endedAt: new Date(endedAt).toISOString(),
    })),
  };
}

/** What went of a store, for a person. */
export function storeText({ dryRun, results, logs, blobs, kept, unreadable, openBuilds }: Collected): string {
  const verb = dryRun ? 'would go' : 'deleted';
  const endOf = (time: number) => new Date(time).toISOString().slice(0, 10);
  return printable(
    [
      ...results
        .toSorted((a, b) => a.endedAt - b.endedAt)
        .map(
          ({ build, version, outcome, endedAt }) =>
            `- ${shortId(build)} ${version} ${outcome}, ended ${endOf(endedAt)}`,
        ),
      ...unreadable.map((record) => `! ${record} is of another version of slipway, and stays`),
      `${verb}: ${count(results.length, 'result')}, ${count(logs.length, 'live log')}, ${count(blobs.length, 'blob')} (${sizeOf([...blobs.map(({ size }) => size), ...logs.map((log) => log.bytes)])})`,
      `${dryRun ? 'would stay' : 'kept'}: ${count(kept.results, 'result')}, ${count(kept.blobs, 'blob')} (${sizeOf([kept.bytes])})${openBuilds === undefined ? '' : `; ${count(openBuilds, 'open build')}`}`,
    ].join('\n'),
  );
}

/** What went of a host's caches, for a person. `maxBytes` is what was to be the room of all. */
export function hostText(
  { dryRun, removed, kept, left }: HostCollected,
  maxBytes: number | undefined,
): string {
  const kinds = {
    input: 'downloads',
    partial: 'partial downloads',
    unpacked: 'unpacked kernels and the like',
    lists: 'sets of package lists',
  };
  const lines = Object.entries(kinds).flatMap(([kind, name]) => {
    const entries = removed.filter((entry) => entry.kind === kind);
    return entries.length === 0
      ? []
      : [`- ${entries.length} ${name} (${sizeOf(entries.map((each) => each.bytes))})`];
  });
  const reasons = Map.groupBy(left, ({ reason }) => reason);
  return printable(
    [
      ...lines,
      ...[...reasons].map(([reason, entries]) => `! left ${entries.length}: ${reason}`),
      `${dryRun ? 'would go' : 'deleted'}: ${sizeOf(removed.map((each) => each.bytes))}; ${dryRun ? 'would stay' : 'kept'}: ${kept.entries} ${kept.entries === 1 ? 'entry' : 'entries'} (${sizeOf([kept.bytes])})`,
      ...(maxBytes === undefined || kept.bytes <= maxBytes
        ? []
        : [
            `! more than ${sizeOf([maxBytes])}: what was used within the last hour stays, and what builds use`,
          ]),
    ].join('\n'),
  );
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function sizeOf(sizes: readonly number[]): string {
  return prettyBytes(
    sizes.reduce((sum, size) => sum + size, 0),
    { binary: true },
  );
}
