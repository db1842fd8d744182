import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ignoreMissing } from '../host/atomic-file.ts';
import { run } from '../host/run.ts';

const PREFIX = 'slipway-gpg-';
/** A process that cannot be seen from here (another pid namespace) may have it; none signs for so long. */
const DEAD_MILLISECONDS = 600_000;

/**
 * An empty GnuPG home for a key from a file, open to nobody else. What a process that was killed has left, a secret key
 * and an agent, goes first.
 */
export async function createGnupgHome(): Promise<string> {
  await sweep();
  // Short: the agent's socket lies in it, and the path of a socket has 108 characters at most.
  return mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
}

/** Deletes a home; its agent ends. */
export async function deleteGnupgHome(home: string): Promise<void> {
  await run(['gpgconf', '--kill', 'all'], { env: { GNUPGHOME: home } });
  await rm(home, { recursive: true, force: true });
}

async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-[A-Za-z0-9]{6}$`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const home = join(tmpdir(), name);
    const found = await stat(home).catch(ignoreMissing);
    if (!found?.isDirectory() || found.uid !== process.getuid?.()) continue;
    if (Date.now() - found.mtimeMs < DEAD_MILLISECONDS) continue;
    await deleteGnupgHome(home);
  }
}
