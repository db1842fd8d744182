import { readFile } from 'node:fs/promises';
import { availableParallelism, hostname, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import type { Ceilings } from '../activities/dependencies.ts';
import { SlipwayFailure } from '../schema/failures.ts';
import { problems, validKeysOf } from '../schema/problems.ts';
import type { S3Place } from '../stores/s3-connection.ts';
import { hugePagePool } from '../vm/qemu/huge-pages.ts';
import type { BuildRootsConfiguration } from './configuration/build-roots.ts';
import type { DisksConfiguration } from './configuration/disks.ts';
import type { KernelConfiguration } from './configuration/kernel.ts';
import type { RetentionConfiguration } from './configuration/retention.ts';
import type { VmConfiguration } from './configuration/vm.ts';
import { ConfigurationFile, type ConfiguredRepository } from './configuration-schema.ts';

/** The configuration with all defaults applied; folders are absolute, sizes MiB. */
export interface Configuration {
  /** The file that it came from; absent: all defaults. */
  file?: string;
  home: string;
  host: string;
  directories: { state: string; cache: string; scratch: string };
  store: StoreSettings;
  capacity: { builds: number; memoryMiB: number };
  /** Absent: the machine's own apt sources. */
  repositories?: ConfiguredRepository[];
  kernelPackage: string;
  kernel: KernelConfiguration;
  retention: RetentionConfiguration;
  disks: DisksConfiguration;
  /** Sizes in MiB. */
  buildRoots: BuildRootsConfiguration;
  vm: VmConfiguration;
  downloads: { parallel: number; attempts: number };
  limits: Ceilings;
  temporal: { graceSeconds: number; webUrl?: string };
}

/** Where results lie: a folder or a bucket. */
export type StoreSettings = ({ directory: string; s3?: never } | { s3: S3Place; directory?: never }) & {
  /** Whether fetched inputs are kept there too. */
  keepInputs: boolean;
};

/** Root folder of the code: the checkout, or where the package is installed. */
export const CODE = resolve(import.meta.dirname, '..');

type Environment = Readonly<Record<string, string | undefined>>;

/** `SLIPWAY_HOME`, else `/var/lib/slipway` where installed, else `.slipway` in the checkout. */
export function slipwayHome(env: Environment = process.env, code: string = CODE): string {
  if (env.SLIPWAY_HOME) return resolve(env.SLIPWAY_HOME);
  const installed = /^\/(usr|opt)\/|\/node_modules\//.test(`${code}/`);
  return installed ? '/var/lib/slipway' : join(code, '.slipway');
}

/**
 * Reads the configuration: the given file, else that of `SLIPWAY_CONFIG`, else `slipway.yaml` in the home, else
 * `/etc/slipway/slipway.yaml`, else all defaults.
 * @throws SlipwayFailure InvalidRequest with all wrong keys as `items`, each with its path and what is valid there
 */
export async function loadConfiguration(
  path?: string,
  env: Environment = process.env,
): Promise<Configuration> {
  const home = slipwayHome(env);
  const named = path ?? env.SLIPWAY_CONFIG;
  const candidates = named ? [resolve(named)] : [join(home, 'slipway.yaml'), '/etc/slipway/slipway.yaml'];
  for (const file of candidates) {
    const text = await readIfThere(file, named !== undefined);
    if (text !== undefined) return { ...complete(parseConfiguration(text, file), home), file };
  }
  return complete(parseConfiguration('', 'the defaults'), home);
}

/** Validates the text of a configuration file; `file` is its name for messages. */
export function parseConfiguration(text: string, file: string): ConfigurationFile {
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) {
    throw invalid(
      file,
      document.errors.map((error) => error.message.trim()),
    );
  }
  const parsed = ConfigurationFile.safeParse(document.toJS() ?? {});
  if (!parsed.success) throw invalid(file, problems(parsed.error, validKeysOf(ConfigurationFile)));
  return parsed.data;
}

function invalid(file: string, items: string[]): SlipwayFailure {
  return new SlipwayFailure('InvalidRequest', `The configuration ${file} is wrong.`, {
    items,
    advice: 'Correct the named keys; docs/configuration.md lists all of them.',
  });
}

async function readIfThere(file: string, must: boolean): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (!must && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SlipwayFailure(
      'InvalidRequest',
      `The configuration ${file} cannot be read: ${(error as Error).message}`,
      {
        advice: `Check the path (--config, SLIPWAY_CONFIG) and the rights of ${dirname(file)}.`,
        cause: error,
      },
    );
  }
}

function complete(file: ConfigurationFile, home: string): Configuration {
  const { directories, store, capacity, limits, repositories } = file;
  const memoryMiB = capacity.memory ?? memoryForGuests(file.vm);
  const builds = file.disks.devices?.length ?? Math.max(1, Math.floor(availableParallelism() / 2));
  return {
    home,
    host: file.host ?? hostName(),
    directories: {
      state: directories.state ?? join(home, 'state'),
      cache: directories.cache ?? join(home, 'cache'),
      scratch: directories.scratch ?? join(home, 'scratch'),
    },
    store: {
      ...(store.s3 === undefined ? { directory: store.directory ?? join(home, 'store') } : { s3: store.s3 }),
      keepInputs: store.keepInputs,
    },
    capacity: { builds: capacity.builds ?? builds, memoryMiB },
    ...(repositories === undefined ? {} : { repositories }),
    kernelPackage: file.kernelPackage,
    kernel: file.kernel,
    retention: file.retention,
    disks: file.disks,
    buildRoots: file.buildRoots,
    vm: file.vm,
    downloads: file.downloads,
    limits: {
      cpus: limits.cpus,
      ...(limits.memory === undefined ? {} : { memoryMiB: limits.memory }),
      diskMiB: limits.disk,
      swapMiB: limits.swap,
      totalSeconds: limits.totalSeconds,
      logMiB: limits.log,
      artifactsMiB: limits.artifacts,
    },
    temporal: {
      graceSeconds: file.temporal.graceSeconds,
      ...(file.temporal.webUrl === undefined ? {} : { webUrl: file.temporal.webUrl }),
    },
  };
}

/** MiB: the huge pages where guests have these and there are any, else what the host itself does not need. */
function memoryForGuests({ hugePages }: VmConfiguration): number {
  const ordinary = Math.floor((totalmem() / 1024 ** 2) * 0.875);
  if (hugePages === false) return ordinary;
  try {
    const { total, sizeMiB } = hugePagePool(hugePages);
    return total === 0 ? ordinary : total * sizeMiB;
  } catch (error) {
    if (!(error instanceof SlipwayFailure)) throw error;
    // That the kernel has none is for the check before a boot to say, where somebody reads it.
    return ordinary;
  }
}

/** The host name up to its first dot, in the letters that names of leases and queues have. */
function hostName(): string {
  const name = (hostname().split('.')[0] ?? '').toLowerCase().replaceAll(/[^a-z0-9-]+/g, '-');
  return name.replaceAll(/^-+|-+$/g, '').slice(0, 63) || 'localhost';
}
