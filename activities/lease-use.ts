import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { LEASE_MEMO } from '../workflows/names.ts';

/** `unknown`: the run is open and has not yet said anything of this round. */
export type LeaseUse = 'used' | 'abandoned' | 'unknown';

/** Whether a run still uses a lease, judged by its state and by the lease that its memo names. */
export async function leaseUse(
  client: Client,
  run: { workflowId: string; runId: string },
  lease: string,
): Promise<LeaseUse> {
  try {
    const { status, memo } = await client.workflow.getHandle(run.workflowId, run.runId).describe();
    if (status.name !== 'RUNNING') return 'abandoned';
    const named = memo?.[LEASE_MEMO];
    if (named === lease) return 'used';
    // The memo is written right after the claim: until then it names the lease of the round before, or none.
    return typeof named === 'string' && roundOf(named) >= roundOf(lease) ? 'abandoned' : 'unknown';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'abandoned';
    throw error;
  }
}

/** `<host>-<run>-<round>-<attempt>` */
function roundOf(lease: string): number {
  return Number(/-(\d+)-\d+$/.exec(lease)?.[1]);
}
