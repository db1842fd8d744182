import { setTimeout as sleep } from 'node:timers/promises';
import { select } from '@inquirer/prompts';
import type { SlipwayClient, StartedBuild } from './client.ts';
import { isOutage } from './failures.ts';
import type { Screen } from './screen.ts';

/** Between two tries to cancel a build while Temporal is away. */
const RETRY_MILLISECONDS = 1000;

/** Why watching a build was given up while it goes on. */
export class Detached extends Error {
  override readonly name = 'Detached';
}

/** What a Ctrl-C leads to. The signal aborts with `Detached`. */
export interface Interrupts extends Disposable {
  signal: AbortSignal;
}

/**
 * Ctrl-C while a build is watched. On a terminal it asks: cancel, detach or go on; a second one detaches at once.
 * `address` is where Temporal is. Elsewhere SIGINT and SIGTERM cancel the build and wait for its clean-up; a second one detaches.
 * A cancel is sent again until Temporal has it, or nobody watches any more.
 */
export function onInterrupt(
  slipway: SlipwayClient,
  build: StartedBuild,
  screen: Screen,
  isInteractive: boolean,
  address: string,
): Interrupts {
  const controller = new AbortController();
  const detach = () => controller.abort(new Detached('detached'));
  let handling = false;
  const over = new AbortController();
  const stop = AbortSignal.any([controller.signal, over.signal]);
  const cancel = async () => {
    screen.line('cancelling; waiting until everything is cleaned up (Ctrl-C again to detach)');
    await cancelUntilHeard(slipway, build, screen, address, stop).catch((error: Error) => {
      if (!stop.aborted) screen.line(error.message);
    });
  };
  const handle = async (mayAsk: boolean) => {
    if (handling) return detach();
    handling = true;
    const choice = mayAsk && isInteractive ? await ask(screen) : 'cancel';
    if (choice === 'cancel') await cancel();
    if (choice === 'detach') detach();
    if (choice === 'continue') handling = false;
  };
  const onInt = () => void handle(true);
  const onTerm = () => void handle(false);
  process.on('SIGINT', onInt);
  process.on('SIGTERM', onTerm);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      over.abort();
      process.off('SIGINT', onInt);
      process.off('SIGTERM', onTerm);
    },
  };
}

/** @throws what Temporal says against it; the signal's reason */
async function cancelUntilHeard(
  slipway: SlipwayClient,
  { id, run }: StartedBuild,
  screen: Screen,
  address: string,
  stop: AbortSignal,
): Promise<void> {
  for (let isFirst = true; ; isFirst = false) {
    try {
      await slipway.cancel(id, { run });
      if (!isFirst && !stop.aborted) screen.line('Temporal has been told to cancel the build');
      return;
    } catch (error) {
      if (!isOutage(error) || stop.aborted) throw error;
      if (isFirst) {
        screen.line(
          `it could not be cancelled yet: Temporal at ${address} does not answer; it will be cancelled as soon as Temporal answers (Ctrl-C again to detach)`,
        );
      }
      await sleep(RETRY_MILLISECONDS, undefined, { signal: stop });
    }
  }
}

async function ask(screen: Screen): Promise<'cancel' | 'detach' | 'continue'> {
  screen.pause();
  try {
    return await select({
      message: 'The build is running. What now?',
      choices: [
        { value: 'continue', name: 'go on watching' },
        { value: 'detach', name: 'detach: the build goes on without this terminal' },
        { value: 'cancel', name: 'cancel the build' },
      ],
    });
  } catch {
    // The prompt's own Ctrl-C.
    return 'detach';
  } finally {
    screen.resume();
  }
}
