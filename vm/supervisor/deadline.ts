import { appendFileSync, closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { FILES } from '../folder.ts';

/**
 * The deadline of a VM: a file that is only appended to, and the latest of its lines counts. So two workers that renew
 * at once, one of them just thawed, cannot move it backwards.
 */
export function appendDeadline(folder: string, deadline: number): void {
  appendFileSync(join(folder, FILES.renewals), `${deadline.toFixed(3)}\n`, { mode: 0o600 });
}

/** Bytes of the file that are read: some hundred renewals, more than come between two looks at it. */
const TAIL = 4096;

/**
 * Seconds of the boot-time clock.
 * @param known what it was when last looked at
 */
export function latestDeadline(folder: string, known: number): number {
  // What follows the last newline is not finished.
  const lines = tail(join(folder, FILES.renewals)).split('\n').slice(0, -1);
  return lines
    .filter((line) => /^\d+\.\d{3}$/.test(line))
    .reduce((latest, line) => Math.max(latest, Number(line)), known);
}

function tail(path: string): string {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, TAIL));
    readSync(file, bytes, 0, bytes.length, size - bytes.length);
    const text = bytes.toString('latin1');
    return size > TAIL ? text.slice(text.indexOf('\n') + 1) : text;
  } finally {
    closeSync(file);
  }
}
