import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const DOCUMENT = resolve(import.meta.dirname, '..', '..', 'docs', 'emulator.md');

/** A program for everybody to run, gone with the `await using` that holds it. */
export async function emulatorScript(text: string): Promise<{ path: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-emulator-'));
  const path = join(folder, 'emulator.sh');
  await chmod(folder, 0o755);
  await writeFile(path, text);
  await chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/** The example of docs/emulator.md, as it stands there. */
export async function documentedEmulator(): Promise<string> {
  const script = /^```sh\n(#!\/bin\/sh\n.*?)^```$/ms.exec(await readFile(DOCUMENT, 'utf8'))?.[1];
  if (script === undefined) throw new Error(`${DOCUMENT} has no script`);
  return script;
}
