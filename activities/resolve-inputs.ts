import { Context } from '@temporalio/activity';
import { buildId } from '../schema/build-id.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { inputsOf } from '../schema/lock.ts';
import { problems, validKeysOf } from '../schema/problems.ts';
import { BuildRequest } from '../schema/request.ts';
import { activity } from './activity.ts';
import type { AnywhereActivities } from './contract.ts';
import type { Dependencies } from './dependencies.ts';
import { givenLock } from './given-lock.ts';
import { handedInMiB } from './handed-in.ts';

type Needs = Pick<Dependencies, 'resolver' | 'store' | 'ceilings' | 'recipes'>;

export function resolveInputs({
  resolver,
  store,
  ceilings,
  recipes,
}: Needs): AnywhereActivities['resolveInputs'] {
  return activity('resolve', async (context, input) => {
    const request = validated(input, ceilings);
    const given =
      request.lock === undefined ? undefined : await givenLock({ store, recipes }, request, request.lock);
    const lock = given ?? (await resolver.resolve(request, context));
    const files = inputsOf(lock);
    return {
      request,
      lock: request.lock ?? (await store.putBytes(Buffer.from(JSON.stringify(lock)))),
      package: recipes[request.recipe.kind].package(request, lock),
      handedInMiB: handedInMiB(lock),
      files: files.length,
      bytes: files.reduce((sum, { size }) => sum + size, 0),
    };
  });
}

/** The request with all defaults, or one failure that lists each wrong field. */
function validated(input: unknown, ceilings: Dependencies['ceilings']): BuildRequest {
  const parsed = BuildRequest.safeParse(input);
  if (!parsed.success) throw invalid(problems(parsed.error, validKeysOf(BuildRequest)));
  const request = parsed.data;
  const over = tooMuch(request, ceilings);
  if (over.length > 0) throw invalid(over);
  const expected = buildId(request);
  const { workflowId } = Context.current().info.workflowExecution ?? {};
  if (workflowId !== expected) {
    throw invalid([`(workflow id): is ${workflowId}, but the id of this request is ${expected}`]);
  }
  return request;
}

function tooMuch({ resources, limits }: BuildRequest, ceilings: Dependencies['ceilings']): string[] {
  const compared: [path: string, asked: number, ceiling: number | undefined][] = [
    ['resources.cpus', resources.cpus, ceilings.cpus],
    ['resources.memoryMiB', resources.memoryMiB, ceilings.memoryMiB],
    ['resources.diskMiB', resources.diskMiB, ceilings.diskMiB],
    ['resources.swapMiB', resources.swapMiB, ceilings.swapMiB],
    ['limits.totalSeconds', limits.totalSeconds, ceilings.totalSeconds],
    ['limits.logMiB', limits.logMiB, ceilings.logMiB],
    ['limits.artifactsMiB', limits.artifactsMiB, ceilings.artifactsMiB],
  ];
  return compared
    .filter(([, asked, ceiling]) => ceiling !== undefined && asked > ceiling)
    .map(([path, asked, ceiling]) => {
      const unit = path.endsWith('MiB') ? ' MiB' : path.endsWith('Seconds') ? ' s' : '';
      return `${path}: is ${asked}${unit}; the workers allow at most ${ceiling}${unit}`;
    });
}

function invalid(items: string[]): SlipwayFailure {
  return new SlipwayFailure('InvalidRequest', `The request is wrong: ${items.join('; ')}`, { items });
}
