/** Told while the work goes on; who has come first alone gets what must be counted once. */
export type Listener<News> = (news: News, isFirst: boolean) => void;

interface Flight<Result, News> {
  readonly result: Promise<Result>;
  readonly listeners: Set<Listener<News>>;
  readonly stop: AbortController;
}

/**
 * Work that several ask for at the same time and that is done once, by keys. It goes on for as long as one of them waits:
 * the last one who gives up ends it. Inside of one process; between processes there are locks and renames.
 */
export class SharedWork<Result, News = never> {
  readonly #flights = new Map<string, Flight<Result, News>>();

  /**
   * The result of the work that goes on under this key, else of `work`, which then begins.
   * @throws what the work throws, to all who wait; or the signal's reason, to the one whose signal it is
   */
  async run(
    key: string,
    signal: AbortSignal,
    work: (signal: AbortSignal, tell: (news: News) => void) => Promise<Result>,
    listener: Listener<News> = () => {},
  ): Promise<Result> {
    signal.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#begin(key, work);
    // A listener of its own for each who waits, be the function the same.
    const own: Listener<News> = (news, isFirst) => listener(news, isFirst);
    flight.listeners.add(own);
    const leaving = Promise.withResolvers<never>();
    const leave = () => {
      flight.listeners.delete(own);
      const isLast = flight.listeners.size === 0;
      if (isLast) this.#end(key, flight, signal.reason);
      // The last one waits until the work has really ended: what it used is free then.
      const ended = isLast ? flight.result.then(ignore, ignore) : Promise.resolve();
      void ended.then(() => leaving.reject(signal.reason));
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([flight.result, leaving.promise]);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', leave);
      leaving.promise.catch(ignore);
      flight.listeners.delete(own);
    }
  }

  #begin(
    key: string,
    work: (signal: AbortSignal, tell: (news: News) => void) => Promise<Result>,
  ): Flight<Result, News> {
    const stop = new AbortController();
    const listeners = new Set<Listener<News>>();
    const tell = (news: News) => {
      let isFirst = true;
      for (const listener of listeners) {
        listener(news, isFirst);
        isFirst = false;
      }
    };
    const flight = { listeners, stop, result: work(stop.signal, tell) };
    this.#flights.set(key, flight);
    const over = () => this.#forget(key, flight);
    flight.result.then(over, over);
    return flight;
  }

  #end(key: string, flight: Flight<Result, News>, reason: unknown): void {
    // Who asks from now on gets work that is not being ended.
    this.#forget(key, flight);
    flight.stop.abort(reason);
  }

  #forget(key: string, flight: Flight<Result, News>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}

function ignore(): void {}
