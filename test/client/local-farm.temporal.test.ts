import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../host/run.ts';
import { startTemporalServer } from '../../workers/temporal-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SLIPWAY = resolve(import.meta.dirname, '..', '..', 'client', 'slipway');

/** Runs `slipway dev` of a home up to its worker, which has no scratch folder and so ends at once. Returns what it said. */
async function devWithoutScratch(home: string, env: Record<string, string> = {}): Promise<string> {
  await writeFile(join(home, 'slipway.yaml'), 'directories: {scratch: /dev/null/none}\n');
  const { stdout } = await run([SLIPWAY, 'dev'], {
    accept: [2, 3],
    env: { SLIPWAY_HOME: home, ...env },
    timeout: 90_000,
  });
  return stdout;
}

it('dev starts a server of its own, also where one of another home is at the usual place', async () => {
  // Or another has it already: then this one is at some other place.
  const foreign = await startTemporalServer(await temporaryFolder());
  onTestFinished(() => foreign.stop());
  const home = await temporaryFolder();
  const first = /^temporal (\S+), log (.*)$/m.exec(await devWithoutScratch(home));
  expect(first?.[2]).toBe(join(home, 'state', 'temporal', 'server.log'));
  expect([foreign.address, '127.0.0.1:7233']).not.toContain(first?.[1]);
  // Again: at the same place, for those that wait there.
  expect(await devWithoutScratch(home)).toContain(`temporal ${first?.[1]}, log `);
});

it('dev joins the server that is configured, and that of its own home which runs', async () => {
  const home = await temporaryFolder();
  const own = await startTemporalServer(join(home, 'state'));
  onTestFinished(() => own.stop());
  expect(await devWithoutScratch(home)).toContain(`temporal ${own.address} (was running)`);
  const env = { TEMPORAL_ADDRESS: own.address };
  expect(await devWithoutScratch(await temporaryFolder(), env)).toContain(
    `temporal ${own.address} (was running)`,
  );
});
