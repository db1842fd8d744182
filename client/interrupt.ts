import { select } from '@inquirer/prompts';
import type { SlipwayClient, StartedBuild } from './client.ts';
import { isOutage } from './failures.ts';
import type { Screen } from './screen.ts';

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
  const cancel = async () => {
    screen.line('cancelling; waiting until everything is cleaned up (Ctrl-C again to detach)');
    await slipway.cancel(build.id, { run: build.run }).catch((error: Error) => {
      screen.line(
        isOutage(error)
          ? `it could not be cancelled: Temporal at ${address} does not answer; the build goes on (Ctrl-C again to detach)`
          : error.message,
      );
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
      process.off('SIGINT', onInt);
      process.off('SIGTERM', onTerm);
    },
  };
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
