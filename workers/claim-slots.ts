import type { ActivitySlotInfo, CustomSlotSupplier, SlotPermit } from '@temporalio/worker';

export interface ClaimSlotsOptions {
  /** Places of the host. */
  places: number;
  /** How many of them are taken now, by whichever process. */
  taken: () => Promise<number>;
}

/** So long others leave a place to a queue that polls for it; an answer, where there is one, has come by then. */
const ANSWER_MILLISECONDS = 500;
/** How often to look for a place that another process has given back. */
const LOOK_MILLISECONDS = 1000;
/** After so long a queue that waits for a place comes first. */
const LONG_MILLISECONDS = 2000;
/** So long a queue is not polled whose claim was refused although there was a place: for want of memory, mostly. */
const REFUSED_MILLISECONDS = 1000;

/** Leave to poll one queue for one claim. */
class Permit implements SlotPermit {
  readonly queue: string;
  /** Whether an answer is likely. */
  readonly hopeful: boolean;
  readonly given = performance.now();
  used = false;

  constructor(queue: string, hopeful: boolean) {
    this.queue = queue;
    this.hopeful = hopeful;
  }
}

interface Waiting {
  queue: string;
  give: (permit: Permit) => void;
  /** Of the process's clock, milliseconds. */
  since: number;
}

/**
 * Holds back the polls of a host's demand queues while it has no place, so that claims wait in the server, in their
 * order, instead of being refused again and again. It only spares: what keeps a host from being overbooked are the
 * leases. A queue has one poll or claim at a time. A poll counts for its queue alone: that of an idle queue lasts a
 * minute, and would keep the place from another in which somebody waits. Only where somebody waited the last time it
 * counts for all, for a moment, so that not all queues poll for one place at once and all claims but one are refused.
 */
export class ClaimSlots {
  readonly #options: ClaimSlotsOptions;
  #waiting: Waiting[] = [];
  readonly #permits = new Set<Permit>();
  /** Queues that were answered at once the last time. */
  readonly #busy = new Set<string>();
  readonly #heldUntil = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #again = false;

  constructor(options: ClaimSlotsOptions) {
    this.#options = options;
  }

  /** For the worker of one queue. */
  supplier(queue: string): CustomSlotSupplier<ActivitySlotInfo> {
    return {
      type: 'custom',
      reserveSlot: (_context, signal) => this.#reserve(queue, signal),
      // Only a worker of workflows is offered claims without polling for them.
      tryReserveSlot: () => null,
      markSlotUsed: ({ permit }) => this.#markUsed(permit as Permit),
      releaseSlot: ({ permit }) => this.#release(permit as Permit),
    };
  }

  /** A place may have become free. */
  wake(): void {
    if (this.#looking !== undefined) {
      this.#again = true;
      return;
    }
    this.#looking = this.#lookAll().finally(() => {
      this.#looking = undefined;
    });
  }

  /** A claim of the queue was refused. */
  refused(queue: string): void {
    this.#heldUntil.set(queue, performance.now() + REFUSED_MILLISECONDS);
    // Somebody waits there.
    this.#busy.add(queue);
  }

  #reserve(queue: string, signal: AbortSignal): Promise<Permit> {
    return new Promise((resolve, reject) => {
      const give = (permit: Permit) => {
        signal.removeEventListener('abort', stop);
        resolve(permit);
      };
      const waiting = { queue, give, since: performance.now() };
      const stop = () => {
        this.#waiting = this.#waiting.filter((one) => one !== waiting);
        reject(signal.reason);
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      this.#waiting.push(waiting);
      this.wake();
    });
  }

  #markUsed(permit: Permit): void {
    permit.used = true;
    const quick = performance.now() - permit.given < LOOK_MILLISECONDS;
    this.#busy[quick ? 'add' : 'delete'](permit.queue);
    this.wake();
  }

  #release(permit: Permit): void {
    this.#permits.delete(permit);
    if (!permit.used) this.#busy.delete(permit.queue);
    this.wake();
  }

  async #lookAll(): Promise<void> {
    do {
      this.#again = false;
      // Where they cannot be counted the claim itself says why.
      const taken = await this.#options.taken().catch(() => 0);
      // A claim may have taken its place and let go of its permit meanwhile: it would count as neither.
      if (this.#again) continue;
      clearTimeout(this.#timer);
      const next = this.#giveAll(taken);
      if (next !== undefined) this.#timer = setTimeout(() => this.wake(), next);
    } while (this.#again);
  }

  /** Returns after how many milliseconds to look again; undefined where there is nothing to wait for but an event. */
  #giveAll(taken: number): number | undefined {
    const now = performance.now();
    let next: number | undefined;
    const lookIn = (milliseconds: number) => {
      next = Math.min(next ?? LOOK_MILLISECONDS, milliseconds);
    };
    // One that waits for long comes before those with a backlog, which would have every place else.
    const isBusy = ({ queue, since }: Waiting) =>
      Number(this.#busy.has(queue) || now - since > LONG_MILLISECONDS);
    for (const waiting of [...this.#waiting].sort((a, b) => isBusy(b) - isBusy(a))) {
      const { queue } = waiting;
      if ([...this.#permits].some((permit) => permit.queue === queue)) continue;
      const held = (this.#heldUntil.get(queue) ?? 0) - now;
      if (held > 0) lookIn(held);
      else if (this.#free(taken, now) > 0) this.#give(waiting);
      else lookIn(this.#unanswered(now) > 0 ? ANSWER_MILLISECONDS : LOOK_MILLISECONDS);
    }
    return next;
  }

  #free(taken: number, now: number): number {
    const claiming = [...this.#permits].filter(({ used }) => used).length;
    return this.#options.places - taken - claiming - this.#unanswered(now);
  }

  #unanswered(now: number): number {
    return [...this.#permits].filter(
      ({ used, hopeful, given }) => hopeful && !used && now - given < ANSWER_MILLISECONDS,
    ).length;
  }

  #give(waiting: Waiting): void {
    const permit = new Permit(waiting.queue, this.#busy.has(waiting.queue));
    this.#permits.add(permit);
    this.#waiting = this.#waiting.filter((one) => one !== waiting);
    waiting.give(permit);
  }
}
