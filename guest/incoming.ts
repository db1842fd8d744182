import { mkdir, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../host/run.ts';
import { asScratchFull } from '../host/scratch-full.ts';

/** What a guest is handed in before it begins: plain files for one folder of its build root. */
export interface Incoming {
  /** Absolute, in the build root. */
  folder: string;
  /** Numeric user and group of folder and files. */
  owner: number;
  /** `path`: where the content is; `name`: without folders. */
  files: readonly { path: string; name: string }[];
}

/** Where the archive begins in the swap, bytes: PROTOCOL.md. Before it lies the header of the letter box. */
const BEGIN = 4096;
/** What tar fills its archive up to, bytes. */
const RECORD = 1024 ** 2;
/** Of an archive: each file's header and what fills it up. */
const PER_FILE = 1024;
/** Also each name has to fit, which may be longer than the header's field. */
const PER_LONG_NAME = 1536;

/** Seconds since 1970 of all that is handed in: the time of a fetch is nothing that a build should see. */
const TIME = 946_684_800;

/** Bytes that a swap must have for files of these sizes. */
export function incomingBytes(sizes: readonly number[]): number {
  const content = sizes.reduce((sum, size) => sum + size + PER_FILE + PER_LONG_NAME, 0);
  return BEGIN + Math.ceil(content / RECORD + 1) * RECORD;
}

/** Moves to where the archive begins, then tar writes it there. `$1`: the swap. */
const WRITE = 'exec 1<>"$1" && shift && dd bs=4096 seek=1 count=0 conv=notrunc status=none && exec tar "$@"';

/**
 * Writes files as an archive into a swap, which must be large enough (`incomingBytes`), and returns up to where it may
 * reach, bytes.
 * @param aside a path of the scratch folder that is used meanwhile
 * @throws SlipwayFailure ScratchFull; CommandFailed where a file is missing; the signal's reason
 */
export async function writeIncoming(
  { owner, files }: Incoming,
  swap: string,
  aside: string,
  signal: AbortSignal,
): Promise<number> {
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside, { mode: 0o755 });
  // Names for what lies in a cache under its digest; tar reads through them.
  const sizes = await Promise.all(
    files.map(async ({ path, name }) => {
      await symlink(path, join(aside, name));
      return (await stat(path)).size;
    }),
  );
  const metadata = [
    ...[`--owner=${owner}`, `--group=${owner}`, '--numeric-owner', '--mode=u=rwX,go=rX', `--mtime=@${TIME}`],
    ...['--format=gnu', '--sort=name', '--dereference', '--hard-dereference'],
  ];
  const argv = ['-c', '-b', `${RECORD / 512}`, ...metadata, '-C', aside, '.'];
  try {
    // What a killed worker leaves must not go on writing into what the next attempt uses.
    await run(['setpriv', '--pdeathsig', 'KILL', '--', 'sh', '-c', WRITE, 'sh', swap, ...argv], {
      signal,
      timeout: 3_600_000,
    });
  } catch (error) {
    throw asScratchFull(error, swap);
  }
  await rm(aside, { recursive: true });
  return incomingBytes(sizes);
}
