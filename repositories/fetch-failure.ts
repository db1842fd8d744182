import { asScratchFull } from '../host/scratch-full.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { InputFile } from '../schema/lock.ts';
import { Changed } from './download.ts';
import { Gone, Unreachable } from './transport.ts';

export interface Missed {
  file: InputFile;
  error: Error;
}

/** Whether the file itself is gone or another one, wherever it was looked for; else something was out of order. */
export function isLost(error: unknown): boolean {
  return error instanceof Gone || error instanceof Changed;
}

/** One failure out of those of several files. An outage comes first: what is gone may be there after it. */
export function fetchFailure(failures: readonly Missed[], directory: string, store: string): unknown {
  const other = failures.find(({ error }) => !isLost(error));
  if (other !== undefined) return outage(other, directory);
  const changed = failures.filter(({ error }) => error instanceof Changed);
  const chosen = changed.length > 0 ? changed : failures;
  const items = chosen.map(({ file }) => file.name).sort();
  const reasons = chosen.map(({ error }) => `  ${error.message}`).sort();
  if (changed.length > 0) {
    const what = `changed on the mirror since the lock was made:\n${reasons.join('\n')}`;
    return new SlipwayFailure('InputRejected', what, { items });
  }
  return new SlipwayFailure(
    'InputsGone',
    `no longer there, nor in the store ${store}:\n${reasons.join('\n')}`,
    {
      items,
    },
  );
}

function outage({ file, error }: Missed, directory: string): unknown {
  if (!(error instanceof Unreachable)) return asScratchFull(error, directory);
  return new SlipwayFailure('DownloadFailed', `${file.name} could not be fetched: ${error.message}`, {
    cause: error,
  });
}
