import type { StepContext } from '../host/progress.ts';

/** The context of a step that nobody watches or stops. */
export function quietly(): StepContext {
  return { signal: new AbortController().signal, report: () => {} };
}
