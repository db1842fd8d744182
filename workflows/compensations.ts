import { CancellationScope, log } from '@temporalio/workflow';
import { isHostGone } from './verdict.ts';

/**
 * What undoes the steps of one round, last in first out. Each is registered before its step runs, is idempotent and
 * bounded, and never hides how the round itself ended.
 */
export class Compensations {
  readonly #stack: { name: string; undo: () => Promise<void> }[] = [];

  before(name: string, undo: () => Promise<void>): void {
    this.#stack.push({ name, undo });
  }

  /** Leaves everything to the janitor of the host: nobody there answers. */
  abandon(): void {
    this.#stack.length = 0;
  }

  /**
   * Runs them, cancelled or not. Stops where one fails for good: a disk is not deleted under a VM that could not be
   * killed, and the lease then stays as the name under which the host's janitor finds the rest.
   */
  async run(): Promise<void> {
    await CancellationScope.nonCancellable(async () => {
      for (let step = this.#stack.pop(); step !== undefined; step = this.#stack.pop()) {
        try {
          await step.undo();
        } catch (error) {
          const left = [step.name, ...this.#stack.map(({ name }) => name).reverse()];
          log.warn(
            `${isHostGone(error) ? 'the host is gone' : `${step.name} failed`}: left to its janitor: ${left.join(', ')}`,
            { error },
          );
          return;
        }
      }
    });
  }
}
