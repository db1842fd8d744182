import { CommandFailed, run } from '../../host/run.ts';
import type { Workshop } from './workshop.ts';

/** It stops to look into archives after so many seconds, and is stopped a while later. */
const SECONDS = 240;
const GRACE_SECONDS = 60;
const REPORT_BYTES = 1 << 20;

/** The diffoscope of this machine; undefined where there is none. */
export async function findDiffoscope(): Promise<string | undefined> {
  try {
    await run(['diffoscope', '--version'], { timeout: 60_000 });
    return 'diffoscope';
  } catch (error) {
    if (error instanceof CommandFailed) return undefined;
    throw error;
  }
}

/**
 * What diffoscope says of two files of the workshop; empty where it finds no difference.
 * @throws ToolFailed where it fails or does not come to an end
 */
export async function diffoscope(
  workshop: Workshop,
  program: string,
  first: string,
  second: string,
): Promise<string> {
  const limits = ['--timeout', `${SECONDS}`, '--max-text-report-size', `${REPORT_BYTES}`];
  const how = ['--no-progress', '--text', '-', '--text-color', 'never'];
  const options = { seconds: SECONDS + GRACE_SECONDS, accept: [1] };
  const { stdout } = await workshop.run([program, ...how, ...limits, '--', first, second], options);
  return stdout;
}
