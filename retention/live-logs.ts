import type { Store } from '../stores/store.ts';
import { logStream } from '../workflows/names.ts';

export interface LiveLog {
  stream: string;
  bytes: number;
}

const PREFIX = logStream('');

/**
 * Live logs that nobody has written to since a time (milliseconds since 1970) and whose run is not open. A run that
 * publishes a result deletes its own: these were cancelled, failed without a result, or killed just after publishing.
 */
export async function deadLogs(
  store: Store,
  openRuns: ReadonlySet<string>,
  before: number,
): Promise<LiveLog[]> {
  const dead: LiveLog[] = [];
  for await (const { stream, bytes, appendedAt } of store.listLogs()) {
    const isOurs = stream.startsWith(PREFIX);
    if (!isOurs || openRuns.has(stream.slice(PREFIX.length)) || appendedAt.getTime() > before) continue;
    dead.push({ stream, bytes });
  }
  return dead;
}
