import { join } from 'node:path';
import {
  ApplicationFailure,
  CancelledFailure,
  isGrpcServiceError,
  ServiceError,
  TerminatedFailure,
  TimeoutFailure,
  WorkflowFailedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { FAILURES, type FailureType, SlipwayFailure } from '../schema/failures.ts';
import { type BuildResult, Failure } from '../schema/result.ts';
import { serverFolder, type TemporalAddress } from '../workers/temporal-address.ts';
import { askTemporal } from '../workers/temporal-server.ts';

/** A build that somebody cancelled or terminated. */
export class BuildCancelled extends Error {
  override readonly name = 'BuildCancelled';
}

/** No Temporal server where one is needed. */
export class TemporalUnavailable extends Error {
  override readonly name = 'TemporalUnavailable';
  readonly advice: string | undefined;

  constructor(message: string, advice?: string) {
    super(message);
    this.advice = advice;
  }
}

/** Says of a Temporal server that does not answer which one it is, and who named it. */
export function unavailable(
  { address, namespace, from }: TemporalAddress,
  state: string,
): TemporalUnavailable {
  const home = `The Temporal server of this home (${serverFolder(state)})`;
  if (from === 'stopped') {
    return new TemporalUnavailable(`${home} is not running.`, 'start it again with slipway dev.');
  }
  if (from === 'dev') {
    const advice = `See ${join(serverFolder(state), 'server.log')}; end slipway dev and start it again.`;
    return new TemporalUnavailable(`${home} runs, but does not answer at ${address}.`, advice);
  }
  const who =
    from === 'environment' ? 'which TEMPORAL_ADDRESS or its configuration file names' : 'the usual place';
  return new TemporalUnavailable(
    `No Temporal server answers at ${address} (namespace ${namespace}), ${who}.`,
  );
}

/** As `unavailable`, of a server that does answer but has not the namespace: that it has not. */
export async function whyUnavailable(temporal: TemporalAddress, state: string): Promise<TemporalUnavailable> {
  const { address, namespace, connection, from } = temporal;
  if (from === 'stopped' || (await askTemporal(connection, namespace)) !== 'no namespace') {
    return unavailable(temporal, state);
  }
  return new TemporalUnavailable(
    `Temporal at ${address} has no namespace "${namespace}".`,
    'Set TEMPORAL_NAMESPACE to that of the workers, or make it: temporal operator namespace create.',
  );
}

/** A build that is done, whose results could not be written where they were to go. */
export class NotFetched extends Error {
  override readonly name = 'NotFetched';
  readonly advice: string;

  constructor(id: string, outcome: BuildResult['outcome'], cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`The build ${outcome}, but its results could not be fetched: ${why}`, { cause });
    this.advice = `They are in the store: slipway artifacts ${id} --download <folder>`;
  }
}

/** A build that neither Temporal nor the store knows. */
export function unknownBuild(id: string, location: string): SlipwayFailure {
  return new SlipwayFailure(
    'InvalidRequest',
    `There is no build ${id}, neither in Temporal nor in the store.`,
    {
      advice: `List the builds with slipway status. The store is ${location}: is that the one of the workers?`,
    },
  );
}

/** A build that Temporal remembers, whose result retention has deleted. */
export function deletedResult(id: string, what: 'log' | 'result', location: string): SlipwayFailure {
  const also = what === 'log' ? ', with its result' : ', with its log and artifacts';
  return new SlipwayFailure(
    'InvalidRequest',
    `The ${what} of ${id} was deleted from the store by retention (slipway gc)${also}.`,
    {
      advice: `Build it again; slipway gc --help says which results stay. The store is ${location}: is that the one of the workers?`,
    },
  );
}

/** What a workflow's end means to a caller: the typed failure, BuildCancelled, or the error as it came. */
export function endOf(error: unknown): unknown {
  if (!(error instanceof WorkflowFailedError)) return error;
  const { cause } = error;
  if (cause instanceof CancelledFailure) return new BuildCancelled('The build was cancelled.', { cause });
  if (cause instanceof TerminatedFailure) return new BuildCancelled('The build was terminated.', { cause });
  if (cause instanceof TimeoutFailure) {
    return new SlipwayFailure('BuildTimedOut', 'The workflow ran out of its time in Temporal.', { cause });
  }
  if (!(cause instanceof ApplicationFailure)) return error;
  const details = Failure.safeParse(cause.details?.[0]);
  if (details.success) {
    const { type, message, ...more } = details.data;
    return new SlipwayFailure(type, message, { ...defined(more), cause });
  }
  return isFailureType(cause.type) ? new SlipwayFailure(cause.type, cause.message, { cause }) : cause;
}

function isFailureType(type: string | null | undefined): type is FailureType {
  return typeof type === 'string' && Object.hasOwn(FAILURES, type);
}

/** Without the keys that are there but undefined. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as never;
}

export function isNotFound(error: unknown): boolean {
  return error instanceof WorkflowNotFoundError;
}

const UNAVAILABLE = 14;
const DEADLINE_EXCEEDED = 4;

/** Whether Temporal itself was away: worth another try. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof ServiceError) || !isGrpcServiceError(error.cause)) return false;
  return error.cause.code === UNAVAILABLE || error.cause.code === DEADLINE_EXCEEDED;
}
