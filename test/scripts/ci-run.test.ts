import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../../host/run.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { CHECKOUT } from './fake-machine.ts';

it.each([
  ['set-up fails', 'echo "setup: no npm" >&2; exit 1', '0 passed, 1 failed', 1],
  ['the tests end early', 'echo "ok  style"; exit 0', '0 passed, 1 failed', 1],
  ['a test fails', 'echo "2 passed, 1 failed"; exit 1', '2 passed, 1 failed', 1],
  ['all pass', 'echo; echo "3 passed, 0 failed"', '3 passed, 0 failed', 0],
])('where %s the last line counts, and the exit code says it too', async (_, npm, last, code) => {
  const folder = await temporaryFolder();
  const [bin, ci] = [join(folder, 'bin'), join(folder, 'copy/.ci')];
  await mkdir(bin);
  await mkdir(ci, { recursive: true });
  await writeFile(join(bin, 'npm'), `#!/bin/sh\n${npm}\n`, { mode: 0o755 });
  await copyFile(join(CHECKOUT, '.ci/run'), join(ci, 'run'));
  const env = { PATH: `${bin}:/usr/bin:/bin`, TMPDIR: folder };
  const { stdout, exitCode } = await run([join(ci, 'run')], { env, accept: [1] });
  expect(stdout.trimEnd().split('\n').at(-1)).toBe(last);
  expect(exitCode).toBe(code);
});
