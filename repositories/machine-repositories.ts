import { join } from 'node:path';
import { z } from 'zod';
import { CorruptFile, readJson, writeFileAtomic } from '../host/atomic-file.ts';
import { FreshWork } from '../host/fresh-work.ts';
import type { AptRepository } from './apt-repository.ts';
import { type HostSourcesOptions, hostRepositories } from './host-sources.ts';
import type { OwnRepositories } from './own-repositories.ts';

const Found = z.array(
  z.strictObject({
    uris: z.array(z.string()),
    suites: z.array(z.string()),
    components: z.array(z.string()),
    signedBy: z.string().optional(),
  }),
);

const looks = new FreshWork<readonly AptRepository[]>();

/**
 * The repositories of the machine's own distribution, looked for each time (host-sources.ts) and remembered as a guess for
 * the next. Those who ask while one looks share the next look.
 */
export function machineRepositories(options: Omit<HostSourcesOptions, 'signal' | 'begin'>): OwnRepositories {
  const folder = join(options.directory, 'machine');
  const path = join(folder, 'last.json');
  const look = async (signal: AbortSignal, begin: () => void) => {
    const found = await hostRepositories({ ...options, signal, begin });
    const text = JSON.stringify(found);
    if (JSON.stringify(await last()) !== text) await writeFileAtomic(path, text);
    return found;
  };
  const last = async () => {
    try {
      return await readJson(path, Found);
    } catch (error) {
      if (error instanceof CorruptFile) return undefined;
      throw error;
    }
  };
  return Object.assign((signal: AbortSignal) => looks.run(path, signal, look), { last });
}
