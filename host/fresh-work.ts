import { SharedWork } from './shared-work.ts';

/**
 * Work whose result must not be older than the request for it: many who ask at the same time share it, as long as it has
 * not begun; who asks later gets the next one.
 */
export class FreshWork<Result> {
  readonly #shared = new SharedWork<Result>();
  /** How often work of a key has begun. */
  readonly #begun = new Map<string, number>();

  /**
   * @param work calls `begin` when it is its turn and it begins to look; until then others join it
   * @throws as SharedWork.run
   */
  async run(
    key: string,
    signal: AbortSignal,
    work: (signal: AbortSignal, begin: () => void) => Promise<Result>,
  ): Promise<Result> {
    const turn = this.#begun.get(key) ?? 0;
    const begin = () => void this.#begun.set(key, turn + 1);
    return await this.#shared.run(`${turn} ${key}`, signal, (shared) => work(shared, begin));
  }
}
