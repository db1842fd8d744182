import { CommandFailed } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import type { AptRoot } from './apt-root.ts';

/** Who reads the lists builds a cache of them, which takes a second for all of Debian; the update need not. */
const NO_CACHE = ['-o', 'pkgCacheFile::Generate=false'];

/** An update whose worker was killed must not go on, and change lists under whoever comes next. */
export const WITH_US = ['setpriv', '--pdeathsig', 'KILL', '--'] as const;

/**
 * Brings the lists of a root up to date; what did not change is not fetched again.
 * @throws SlipwayFailure InputRejected (signature, date, checksum), InvalidRequest (component unknown), DownloadFailed,
 *   ScratchFull
 */
export async function updateLists(root: AptRoot, signal?: AbortSignal): Promise<void> {
  try {
    const { stderr } = await root.run(
      [...WITH_US, 'apt-get', 'update', '-q', ...NO_CACHE],
      signal === undefined ? {} : { signal },
    );
    rejectUnknownComponents(stderr);
  } catch (error) {
    if (error instanceof CommandFailed) throw updateFailure(error);
    throw error;
  }
}

/** apt only warns of a component that a repository does not have, and goes on without it. */
function rejectUnknownComponents(stderr: string): void {
  const found = stderr.matchAll(
    /as repository '(.*?)(?: (?:In)?Release)?' doesn't have the component '(.*?)'/g,
  );
  const items = [...new Set([...found].map(([, repository, component]) => `${repository} ${component}`))];
  if (items.length === 0) return;
  throw new SlipwayFailure('InvalidRequest', `no such component: ${items.join(', ')}`, { items });
}

const FETCH = /^E: Failed to fetch (\S+)\s+(.*)$/;

/** What apt says of a file that it did get and does not take, or that the server does not have. */
const UNACCEPTABLE =
  "Hash Sum mismatch|unexpected size|signature|Clearsigned|isn't valid|not signed|404\\s+Not Found";

const STALE =
  'Most likely the mirror is in the middle of an update: start the build again in some minutes, or name another mirror.';

const REJECTED = [
  /^[WE]: (?:An error occurred during the signature verification\..*)?GPG error: (\S+ \S+) (?:In)?Release: (.*)$/,
  /^E: Release file for (\S+) is (expired|not valid yet.*?)(?: \(invalid (?:since|for another) (.*)\))?\./,
  /^E: The repository '(.*?)(?: (?:In)?Release)?' (is not signed|does not have a Release file|.*)\.?$/,
  new RegExp(`^E: Failed to fetch (\\S+)\\s+(.*(?:${UNACCEPTABLE}).*)$`),
];

/** Which repository, and why, out of what `apt-get update` said. Exported for those who judge repositories one by one. */
export function updateFailure(error: CommandFailed): SlipwayFailure {
  if (error.code === 'ENOENT') return new SlipwayFailure('HostUnfit', error.message, { cause: error });
  const lines = error.stderr.split('\n');
  if (lines.some((line) => line.includes('No space left on device'))) {
    return new SlipwayFailure('ScratchFull', `no room for package lists: ${error.message}`, { cause: error });
  }
  const outages = lines.flatMap((line) => {
    const match = FETCH.exec(line);
    return match === null || new RegExp(UNACCEPTABLE).test(line) ? [] : [`${match[1]}: ${match[2]}`];
  });
  if (outages.length > 0) return failure('DownloadFailed', 'cannot reach', outages, error);
  const rejections = rejectedRepositories(error.stderr);
  if (rejections.length > 0) return failure('InputRejected', 'apt rejects', rejections, error);
  if (/Malformed|Type .* is not known|could not be read/.test(error.stderr)) {
    return new SlipwayFailure('InvalidRequest', `apt cannot read these sources: ${error.stderr.trim()}`, {
      cause: error,
    });
  }
  return new SlipwayFailure('DownloadFailed', error.message, { cause: error });
}

/** `<uri> <suite>: <why>`, once for each repository that apt did not accept. */
export function rejectedRepositories(stderr: string): string[] {
  const found = new Map<string, string>();
  for (const line of stderr.split('\n')) {
    for (const pattern of REJECTED) {
      const match = pattern.exec(line);
      if (match === null) continue;
      const [, repository = '', why = '', since] = match;
      // The first line about a repository is the cause, "is not signed" what follows from it.
      if (!found.has(repository)) found.set(repository, since === undefined ? why : `${why} since ${since}`);
      break;
    }
  }
  return [...found].map(([repository, why]) => `${repository}: ${why}`);
}

function failure(
  type: 'DownloadFailed' | 'InputRejected',
  verb: string,
  items: string[],
  cause: CommandFailed,
): SlipwayFailure {
  const what = items.length === 1 ? 'the repository' : 'repositories:\n ';
  // apt cannot tell a mirror in the middle of an update from one that was tampered with; nor can we.
  const isStale = items.some((item) => item.includes('Mirror sync in progress'));
  return new SlipwayFailure(type, `${verb} ${what} ${items.join('\n  ')}`, {
    items,
    cause,
    ...(isStale ? { advice: STALE } : {}),
  });
}
