/** What a check found. `warning`: works, but not as well as it could. */
export interface Finding {
  name: string;
  state: 'ok' | 'warning' | 'failed';
  /** What is so. */
  what: string;
  /** What to do about it; only where it is not ok. */
  advice?: string;
}

export function ok(name: string, what: string): Finding {
  return { name, state: 'ok', what };
}

export function warning(name: string, what: string, advice?: string): Finding {
  return { name, state: 'warning', what, ...(advice === undefined ? {} : { advice }) };
}

export function failed(name: string, what: string, advice: string): Finding {
  return { name, state: 'failed', what, advice };
}
