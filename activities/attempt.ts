import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, log } from '@temporalio/activity';
import { ActivityCancelledError, ActivityPausedError, ActivityResetError } from '@temporalio/client';
import { bootTime } from '../host/boot-time.ts';

/** The heartbeat time-out that the workflow sets, seconds. */
const HEARTBEAT = 15;
/** How much earlier than the workflow can give the host up its VM must be dead, seconds. */
const MARGIN = 10;
const BEAT_MILLISECONDS = 2000;
const ANSWER_MILLISECONDS = 5000;

/**
 * One attempt of an activity, as the server sees it. The SDK's heartbeats tell nobody whether they were accepted; these
 * do, so a process that was frozen finds out that it is no longer the one before it touches anything.
 */
export class Attempt {
  readonly #context: Context;
  readonly #graceSeconds: number;
  /** Boot-time clock, seconds: when the last accepted beat was sent. */
  #accepted = Number.NEGATIVE_INFINITY;

  constructor(context: Context, graceSeconds: number) {
    this.#context = context;
    this.#graceSeconds = graceSeconds;
  }

  /**
   * Sends one heartbeat and waits until it is accepted; a cancel that comes back with it is the SDK's to deliver.
   * @throws ActivityNotFoundError where another attempt has taken over or the workflow is closed
   */
  async beat(details?: unknown): Promise<void> {
    const { client, info } = this.#context;
    const sent = bootTime();
    try {
      await client.connection.withDeadline(Date.now() + ANSWER_MILLISECONDS, () =>
        client.activity.heartbeat(info.taskToken, details),
      );
    } catch (error) {
      const accepted = [ActivityCancelledError, ActivityPausedError, ActivityResetError];
      if (!accepted.some((kind) => error instanceof kind)) throw error;
    }
    this.#accepted = sent;
  }

  /** Whether no other attempt can have begun. */
  isCurrent(): boolean {
    return bootTime() - this.#accepted < HEARTBEAT;
  }

  /** Until when a VM may live that nobody hears of any more: seconds of the boot-time clock. */
  deadline(): number {
    return this.#accepted + HEARTBEAT + this.#graceSeconds - MARGIN;
  }

  /** Beats until told to stop and hands on each new deadline. */
  async keepBeating(
    details: () => unknown,
    renew: (deadline: number) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.beat(details());
        if (!signal.aborted) await renew(this.deadline());
      } catch (error) {
        log.warn('a heartbeat was not accepted', { error });
      }
      await sleep(BEAT_MILLISECONDS, undefined, { signal }).catch(() => undefined);
    }
  }
}
