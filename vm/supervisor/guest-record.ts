import type { VmStatistics } from '../../schema/result.ts';
import type { Beat, ControlRecord } from '../control-records.ts';

/** What a guest has said of itself so far, and when. */
export class GuestRecord {
  readonly #nonce: string;
  /** Seconds of the supervisor's clock. */
  helloAt: number | undefined;
  beganAt: number | undefined;
  heardAt = 0;
  doneAt: number | undefined;
  #commandsFrom: number | undefined;
  #commandsTo = 0;
  #inCommand = false;
  #peaks = { mem: 0, disk: 0, swap: 0 };
  #requests: Pick<Beat, 'rr' | 'wr' | 'rs' | 'ws'> = { rr: 0, wr: 0, rs: 0, ws: 0 };

  constructor(nonce: string) {
    this.#nonce = nonce;
  }

  /** Nothing counts before the greeting with the nonce of this boot. */
  take(records: readonly ControlRecord[], now: number): void {
    for (const record of records) {
      if (record.word === 'hello' && record.version === 1 && record.nonce === this.#nonce)
        this.helloAt ??= now;
      if (this.helloAt === undefined) continue;
      this.heardAt = now;
      this.#note(record, now);
    }
  }

  #note(record: ControlRecord, now: number): void {
    if (record.word === 'begin') {
      this.beganAt ??= now;
      this.#commandsFrom ??= record.at;
    }
    // A command that is cut short has no end: its last beat stands for it.
    if (record.word === 'end' || (record.word === 'beat' && this.#inCommand)) this.#commandsTo = record.at;
    if (record.word === 'begin' || record.word === 'end') this.#inCommand = record.word === 'begin';
    if (record.word === 'done') this.doneAt ??= now;
    if (record.word === 'beat') this.#count(record);
  }

  #count(beat: Beat): void {
    for (const what of ['mem', 'disk', 'swap'] as const)
      this.#peaks[what] = Math.max(this.#peaks[what], beat[what]);
    for (const what of ['rr', 'wr', 'rs', 'ws'] as const)
      this.#requests[what] = Math.max(this.#requests[what], beat[what]);
  }

  /** @param seconds how long the VM ran; nothing that the guest says of its own times can be longer */
  statistics(seconds: number, logBytes: number): VmStatistics {
    const commands = Math.max(0, this.#commandsTo - (this.#commandsFrom ?? this.#commandsTo));
    return {
      seconds: rounded(seconds),
      bootSeconds: rounded(this.helloAt ?? 0),
      commandSeconds: rounded(Math.min(commands, seconds)),
      peakMemoryMiB: Math.ceil(this.#peaks.mem / 1024),
      peakDiskMiB: Math.ceil(this.#peaks.disk / 1024),
      peakSwapMiB: Math.ceil(this.#peaks.swap / 1024),
      readRequests: this.#requests.rr,
      writeRequests: this.#requests.wr,
      readSectors: this.#requests.rs,
      writtenSectors: this.#requests.ws,
      logBytes,
    };
  }
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
