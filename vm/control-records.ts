import { closeSync, openSync, readSync, statSync } from 'node:fs';

/** What a guest says of itself (guest/PROTOCOL.md); `at` in seconds of its own uptime. */
export type ControlRecord =
  | { word: 'hello'; version: number; nonce: string; at: number }
  | { word: 'begin'; command: number; at: number }
  | Beat
  | { word: 'end'; command: number; exit: number; at: number }
  | { word: 'done'; result: string; at: number };

/** Memory, disk and swap in KiB; requests and sectors of 512 bytes of both disks since the guest booted. */
export interface Beat {
  word: 'beat';
  mem: number;
  disk: number;
  swap: number;
  rr: number;
  wr: number;
  rs: number;
  ws: number;
  at: number;
}

/** Bytes of a line; longer ones are no records. */
const MAX_LINE = 512;

const LINE = /^[a-z]{1,16}(?: [a-z]{1,16}=[0-9A-Za-z.-]{1,64})*$/;

/** One line without its newline; undefined where it is unknown or malformed. Never throws: a hostile guest wrote it. */
export function parseControlRecord(line: string): ControlRecord | undefined {
  if (line.length > MAX_LINE || !LINE.test(line)) return undefined;
  const [word, ...pairs] = line.split(' ');
  const values = new Map(pairs.map((pair) => pair.split('=') as [string, string]));
  const whole = (name: string) => number(values.get(name), /^\d{1,15}$/);
  const at = number(values.get('at'), /^\d{1,9}(?:\.\d{1,9})?$/);
  const record = { word, ...fields(word ?? '', values, whole), at };
  return Object.values(record).includes(undefined) || Object.keys(record).length === 2
    ? undefined
    : (record as ControlRecord);
}

function fields(
  word: string,
  values: ReadonlyMap<string, string>,
  whole: (name: string) => number | undefined,
): Record<string, string | number | undefined> {
  switch (word) {
    case 'hello':
      return { version: whole('version'), nonce: values.get('nonce') };
    case 'begin':
      return { command: whole('command') };
    case 'beat':
      return Object.fromEntries(
        ['mem', 'disk', 'swap', 'rr', 'wr', 'rs', 'ws'].map((name) => [name, whole(name)]),
      );
    case 'end':
      return { command: whole('command'), exit: whole('exit') };
    case 'done':
      return { result: values.get('result') };
    default:
      return {};
  }
}

function number(text: string | undefined, form: RegExp): number | undefined {
  return text !== undefined && form.test(text) ? Number(text) : undefined;
}

/** Reads a growing control file: each call of `read` gives the records that were added since the last. */
export class ControlReader {
  readonly #path: string;
  #offset = 0;
  #rest = '';
  #skipping = false;

  constructor(path: string, offset = 0) {
    this.#path = path;
    this.#offset = offset;
    // In the middle of a file the first line is most likely half a line.
    this.#skipping = offset > 0;
  }

  /** Bytes of the file that were read. */
  get offset(): number {
    return this.#offset;
  }

  read(): ControlRecord[] {
    const records: ControlRecord[] = [];
    const file = openSync(this.#path, 'r');
    try {
      const chunk = Buffer.allocUnsafe(65_536);
      // One pass reads at most 4 MiB, so that a guest that floods this file cannot keep its supervisor here.
      for (let chunks = 0; chunks < 64; chunks++) {
        const size = readSync(file, chunk, 0, chunk.length, this.#offset);
        if (size === 0) break;
        this.#offset += size;
        this.#take(chunk.toString('latin1', 0, size), records);
      }
    } finally {
      closeSync(file);
    }
    return records;
  }

  #take(text: string, records: ControlRecord[]): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const record = this.#skipping ? undefined : parseControlRecord(line);
      this.#skipping = false;
      if (record !== undefined) records.push(record);
    }
    if (this.#rest.length > MAX_LINE) {
      this.#rest = '';
      this.#skipping = true;
    }
  }
}

/** The last beat in the last 4 KiB of a control file. */
export function lastBeat(path: string): Beat | undefined {
  const { size } = statSync(path);
  return new ControlReader(path, Math.max(0, size - 4096))
    .read()
    .findLast((record) => record.word === 'beat');
}
