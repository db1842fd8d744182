import { setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import type { Lease, ResolvedInputs, Waiting } from '../activities/contract.ts';
import { PHASES, type Phase } from '../schema/failures.ts';
import type { Failure } from '../schema/result.ts';
import { logStream, shortId } from './names.ts';
import { type BuildStatus, KEPT_ROOT } from './status.ts';

const DOING: Record<Phase, string> = {
  resolve: 'resolving the inputs',
  claim: 'waiting for a place on a host',
  fetch: 'fetching the inputs',
  image: 'making the disk, from a kept build root where there is one',
  preinstall: 'unpacking packages into the build root',
  install: 'the guest installs the build root',
  build: 'the guest builds the package',
  extract: 'taking the results out of the disk',
  upload: 'putting results and log into the store',
  publish: 'leaving the host clean and publishing the result',
};

/** How far the build is: one source for the query, the current details and the statistics. */
export class BuildProgress {
  #phase: Phase = 'resolve';
  #since = Date.now();
  #milliseconds: Partial<Record<Phase, number>> = {};
  #rest: Omit<BuildStatus, 'phase' | 'phaseSince' | 'phaseSeconds' | 'logStream'> = { state: 'running' };

  constructor() {
    this.#show();
  }

  enter(phase: Phase): void {
    this.#count();
    this.#phase = phase;
    this.#show();
  }

  resolved({ package: what, lock }: ResolvedInputs): void {
    this.#rest = { ...this.#rest, package: what, lock };
  }

  claimed({ host, vm }: Lease): void {
    this.#rest = { ...this.#rest, host, vm: `${vm.type} (${vm.isolation})` };
  }

  startsFrom(keptRoot: NonNullable<BuildStatus['keptRoot']>): void {
    this.#rest = { ...this.#rest, keptRoot };
  }

  wait(waiting: Waiting): void {
    this.#rest = { ...this.#rest, waiting };
    this.#show();
  }

  goOn(): void {
    const { waiting: _, ...rest } = this.#rest;
    this.#rest = rest;
  }

  end(state: Exclude<BuildStatus['state'], 'running'>, failure?: Failure): void {
    this.goOn();
    this.#count();
    this.#rest = { ...this.#rest, state, ...(failure === undefined ? {} : { failure }) };
    this.#show();
  }

  /**
   * Seconds that each finished phase took, all rounds together. A result has none for `publish`: it is what is
   * published. The status has, once the build has ended.
   */
  phaseSeconds(): Partial<Record<Phase, number>> {
    return Object.fromEntries(
      Object.entries(this.#milliseconds).map(([phase, milliseconds]) => [phase, milliseconds / 1000]),
    );
  }

  status(): BuildStatus {
    return {
      ...this.#rest,
      phase: this.#phase,
      phaseSince: new Date(this.#since).toISOString(),
      phaseSeconds: this.phaseSeconds(),
      logStream: logStream(workflowInfo().runId),
    };
  }

  #count(): void {
    const now = Date.now();
    this.#milliseconds[this.#phase] = (this.#milliseconds[this.#phase] ?? 0) + now - this.#since;
    this.#since = now;
  }

  #show(): void {
    setCurrentDetails(this.#lines().join('\n\n'));
  }

  #lines(): string[] {
    const { package: what, state, host, vm, keptRoot, waiting, failure } = this.#rest;
    const name = what === undefined ? workflowInfo().workflowId : `${what.name} ${what.version}`;
    const doing =
      state === 'running'
        ? `${DOING[this.#phase]} (${PHASES.indexOf(this.#phase) + 1} of ${PHASES.length})`
        : state;
    const took = Object.entries(this.phaseSeconds()).map(
      ([phase, seconds]) => `${phase} ${seconds.toFixed(1)} s`,
    );
    return [
      `**${name}**: ${doing}`,
      ...(state === 'running' ? [`Since ${new Date(this.#since).toISOString()}`] : []),
      ...(host === undefined ? [] : [`Host ${host}, VM ${vm}`]),
      ...(keptRoot === undefined ? [] : [`Build root: ${KEPT_ROOT[keptRoot]}`]),
      ...(waiting === undefined ? [] : [`Waits, **${waiting.type}**: ${waiting.message}`]),
      ...(failure === undefined ? [] : [`**${failure.type}**: ${failure.message}`, failure.advice]),
      ...(took.length === 0 ? [] : [`Took: ${took.join(', ')}`]),
      `Log: \`slipway logs -f ${shortId(workflowInfo().workflowId)}\``,
    ];
  }
}
