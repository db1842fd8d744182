import { proxyActivities } from '@temporalio/workflow';

const { nothing } = proxyActivities<{ nothing(): Promise<void> }>({ startToCloseTimeout: '1m' });

/** As many steps as a build, with nothing in them. */
export async function ceiling(steps: number): Promise<void> {
  for (let step = 0; step < steps; step++) await nothing();
}
