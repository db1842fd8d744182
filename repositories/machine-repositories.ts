import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CorruptFile, ignoreMissing, readJson, writeFileAtomic } from '../host/atomic-file.ts';
import { FreshWork } from '../host/fresh-work.ts';
import type { AptRepository } from './apt-repository.ts';
import { type HostSourcesOptions, hostRepositories } from './host-sources.ts';
import { ownCode } from './own-code.ts';
import type { OwnRepositories } from './own-repositories.ts';

/**
 * How long what was found is not looked for again, milliseconds, as long as the machine's own files are as they were. The
 * repositories that were found are verified by each resolution all the same; only one that was not the distribution's and
 * now is would be seen so much later.
 */
const SURE_MS = 60_000;

const Found = z.strictObject({
  /** Digest of all that decides on this machine what is asked where. */
  machine: z.string(),
  /** Milliseconds since 1970. */
  at: z.number(),
  repositories: z.array(
    z.strictObject({
      uris: z.array(z.string()),
      suites: z.array(z.string()),
      components: z.array(z.string()),
      signedBy: z.string().optional(),
    }),
  ),
});
type Found = z.infer<typeof Found>;

const looks = new FreshWork<readonly AptRepository[]>();

/**
 * The repositories of the machine's own distribution (host-sources.ts), remembered on the host: for a minute, and as a
 * guess for longer. Those who ask while one waits for its turn to look share its look.
 */
export function machineRepositories(options: Omit<HostSourcesOptions, 'signal' | 'begin'>): OwnRepositories {
  const path = join(options.directory, 'machine', 'last.json');
  const look = async (signal: AbortSignal, begin: () => void) => {
    const at = Date.now();
    const machine = await machineDigest(options);
    const repositories = await hostRepositories({ ...options, signal, begin });
    await writeFileAtomic(path, JSON.stringify({ machine, at, repositories }));
    return repositories;
  };
  const current = async (signal: AbortSignal) => {
    const found = await remembered(path);
    const age = found === undefined ? Number.NaN : Date.now() - found.at;
    const isSure = age >= 0 && age < SURE_MS && found?.machine === (await machineDigest(options));
    return isSure ? asRepositories(found) : await looks.run(path, signal, look);
  };
  const last = async () => {
    const found = await remembered(path);
    return found && asRepositories(found);
  };
  return Object.assign(current, { last });
}

async function remembered(path: string): Promise<Found | undefined> {
  try {
    return await readJson(path, Found);
  } catch (error) {
    if (error instanceof CorruptFile) return undefined;
    throw error;
  }
}

function asRepositories({ repositories }: Found): readonly AptRepository[] {
  return repositories;
}

/** Over sources, settings and keyrings of the machine, as host-sources.ts reads them. */
async function machineDigest({
  etc = '/etc/apt',
  osRelease = '/etc/os-release',
  keyrings = '/usr/share/keyrings',
  proxies,
}: Omit<HostSourcesOptions, 'signal' | 'begin'>): Promise<string> {
  const names = async (folder: string) => ((await readdir(folder).catch(ignoreMissing)) ?? []).sort();
  const paths = [
    ...[osRelease, join(etc, 'sources.list'), join(etc, 'apt.conf')],
    ...(await names(join(etc, 'sources.list.d'))).map((name) => join(etc, 'sources.list.d', name)),
    ...(await names(join(etc, 'apt.conf.d'))).map((name) => join(etc, 'apt.conf.d', name)),
    ...(await names(keyrings))
      .filter((name) => /-archive-keyring\.\w+$/.test(name))
      .map((name) => join(keyrings, name)),
  ];
  const hash = createHash('sha256').update(JSON.stringify([await ownCode(), proxies]));
  for (const path of paths) {
    const content = (await readFile(path).catch(ignoreMissing)) ?? Buffer.alloc(0);
    hash.update(`\0${path}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}
