import { FAILURES, SlipwayFailure } from '../schema/failures.ts';
import { BuildCancelled } from './failures.ts';

/** Exit codes of the command line. Public API. */
export const EXIT = {
  ok: 0,
  buildFailed: 1,
  usage: 2,
  infrastructure: 3,
  cancelled: 4,
  notReproducible: 5,
  detached: 130,
} as const;

export const EXIT_CODES_HELP = `Exit codes:
  0    done; a build succeeded
  1    the package failed to build (its log says why)
  2    wrong usage, wrong request or configuration, inputs that cannot be resolved
  3    infrastructure: no Temporal, no store, a host or guest that broke, a failed check of doctor
  4    the build was cancelled
  5    compared builds differ (rebuild --compare, compare)
  130  interrupted: detached from a build, which goes on`;

/** The exit code that an error means. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof BuildCancelled) return EXIT.cancelled;
  if (error instanceof UsageError) return EXIT.usage;
  if (!(error instanceof SlipwayFailure)) return EXIT.infrastructure;
  const { family } = FAILURES[error.type];
  if (family === 'package') return EXIT.buildFailed;
  return family === 'request' ? EXIT.usage : EXIT.infrastructure;
}

/** What was typed is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly advice: string | undefined;

  constructor(message: string, advice?: string) {
    super(message);
    this.advice = advice;
  }
}
