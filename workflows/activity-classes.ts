import { ActivityCancellationType, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { AnywhereActivities, DemandActivities, HostActivities, Lease } from '../activities/contract.ts';
import type { Limits } from '../schema/request.ts';

/**
 * The activities by their class of time limits. Each function takes the summary that an operator reads in the history.
 * Which failures are retried at all is said by the failure itself (activities/failure.ts); the policies here say how.
 */

/** Silence after which an attempt is given up. Activities beat every 2 s. */
const HEARTBEAT = '15s';

/** Waits for a mirror that is away for some minutes, not for one that is gone. */
const PATIENT = {
  initialInterval: '2s',
  backoffCoefficient: 2,
  maximumInterval: '1m',
  maximumAttempts: 12,
} as const;

export function resolving(summary: string): Pick<AnywhereActivities, 'resolveInputs'> {
  return proxyActivities({
    summary,
    startToCloseTimeout: '1h',
    heartbeatTimeout: HEARTBEAT,
    retry: PATIENT,
  });
}

/** Asking holds nothing: the claim that is answered meanwhile does not wait for it. */
export function asking(summary: string): Pick<AnywhereActivities, 'explainWait'> {
  return proxyActivities({
    summary,
    startToCloseTimeout: '10s',
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: { maximumAttempts: 3 },
  });
}

/**
 * A build whose results exist is not given up for hours. Counted in attempts, so that the end is the failure of the last
 * and not a time-out, which would be taken for a lost host; where it is the store that is away, another activity follows.
 */
const DAY_LONG = { initialInterval: '2s', maximumInterval: '1m', maximumAttempts: 1440 } as const;

export function publishing(summary: string): Pick<AnywhereActivities, 'publishResult'> {
  return proxyActivities({ summary, startToCloseTimeout: '1m', retry: DAY_LONG });
}

/** Waits without end for a place; a cancel ends it. */
export function claiming(queue: string, summary: string): DemandActivities {
  return proxyActivities({
    taskQueue: queue,
    summary,
    startToCloseTimeout: '10s',
    retry: { initialInterval: '1s', backoffCoefficient: 1.5, maximumInterval: '5s' },
  });
}

/** From a mirror, or the store, to the host. */
export function fetching(lease: Lease, summary: string): Pick<HostActivities, 'fetchInputs'> {
  return proxyActivities({ ...onHost(lease, summary), startToCloseTimeout: '12h', retry: PATIENT });
}

/** From the host to the store. */
export function uploading(lease: Lease, summary: string): Pick<HostActivities, 'uploadArtifacts'> {
  return proxyActivities({ ...onHost(lease, summary), startToCloseTimeout: '12h', retry: DAY_LONG });
}

/** Works on the host's own disks. */
export function making(
  lease: Lease,
  summary: string,
): Pick<HostActivities, 'preinstall' | 'keepRoot' | 'extractArtifacts'> {
  return proxyActivities({
    ...onHost(lease, summary),
    startToCloseTimeout: '3h',
    retry: { initialInterval: '2s', maximumInterval: '1m', maximumAttempts: 5 },
  });
}

/** May wait for a root that another build makes: as long as that takes, and over restarts of the worker. */
export function starting(lease: Lease, summary: string): Pick<HostActivities, 'createImage'> {
  return proxyActivities({
    ...onHost(lease, summary),
    startToCloseTimeout: '3 days',
    retry: { initialInterval: '2s', maximumInterval: '1m', maximumAttempts: 50 },
  });
}

/** The VM bounds itself; an attempt more is a worker that came back, or a store: there may be many in a long build. */
export function running(lease: Lease, summary: string, limits: Limits): Pick<HostActivities, 'runVm'> {
  return proxyActivities({
    ...onHost(lease, summary),
    startToCloseTimeout: (limits.bootSeconds + limits.totalSeconds + 600) * 1000,
    retry: { initialInterval: '1s', backoffCoefficient: 1.5, maximumInterval: '10s', maximumAttempts: 100 },
  });
}

export function undoing(
  lease: Lease,
  summary: string,
): Pick<HostActivities, 'killVm' | 'deleteScratch' | 'releaseLease'> {
  return proxyActivities({
    ...onHost(lease, summary),
    startToCloseTimeout: '5m',
    retry: { initialInterval: '1s', maximumInterval: '10s', maximumAttempts: 10 },
  });
}

/** A task that nobody takes within the host's grace, be it a retry, says that the host is gone. */
function onHost(lease: Lease, summary: string): ActivityOptions {
  return {
    taskQueue: lease.queue,
    summary,
    scheduleToStartTimeout: lease.graceSeconds * 1000,
    heartbeatTimeout: HEARTBEAT,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  };
}
