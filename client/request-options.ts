import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ScriptSource } from '../recipes/script/schema.ts';
import { Architecture, FilesystemName, ISOLATIONS, VmType } from '../schema/request.ts';
import { parseMiB } from '../schema/size.ts';
import {
  addDebianOptions,
  type DebianBuildOptions,
  type DebianUploads,
  debianRecipeFrom,
} from './debian-options.ts';
import { parseSeconds } from './durations.ts';
import { UsageError } from './exit-codes.ts';
import { collect, whole } from './option-values.ts';
import { kindOf } from './recipe-kind.ts';
import { isSection, readRequest } from './request-file.ts';
import { addScriptOptions, type ScriptBuildOptions, scriptRecipeFrom } from './script-options.ts';

/** What the options of `build` leave behind. */
export interface RequestOptions extends DebianBuildOptions, ScriptBuildOptions {
  request?: string;
  cpus?: number;
  memory?: number;
  disk?: number;
  swap?: number;
  filesystem?: FilesystemName;
  architecture?: Architecture;
  isolation?: (typeof ISOLATIONS)[number];
  vm?: VmType;
  timeout?: number;
  bootTimeout?: number;
  heartbeatTimeout?: number;
  silenceTimeout?: number;
  logLimit?: number;
  artifactsLimit?: number;
  artifactFiles?: number;
  repository?: string[];
  keyring?: string[];
}

/** Adds an option for each part of the request. */
export function addRequestOptions(command: Command): Command {
  command
    .optionsGroup('The guest:')
    .addOption(
      new Option('--architecture <name>', 'architecture of the build root (default: amd64)').choices(
        Architecture.options,
      ),
    )
    .option('--cpus <n>', 'CPUs of the guest', whole)
    .option('--memory <size>', 'memory of the guest, for instance "4 GiB"', size)
    .option('--disk <size>', 'disk of the guest', size)
    .option('--swap <size>', 'swap of the guest', size)
    .addOption(
      new Option(
        '--filesystem <name>',
        'filesystem of its disk (default: that of the host’s configuration)',
      ).choices(FilesystemName.options),
    )
    .addOption(new Option('--isolation <least>', 'least isolation that is accepted').choices(ISOLATIONS))
    .addOption(new Option('--vm <type>', 'one VM type and no other').choices(VmType.options));
  addDebianOptions(command);
  addScriptOptions(command);
  return command
    .optionsGroup('Where packages come from:')
    .option(
      '--repository <line>',
      '"<uri> <suite> <component>…"; repeatable; replaces the configured ones',
      collect,
    )
    .option(
      '--keyring <file>',
      'keyring that must have signed the repositories: one for all, or one for each --repository in their order',
      collect,
    )
    .optionsGroup('Limits:')
    .option('--timeout <time>', 'whole run of one VM, for instance "2 h"', seconds)
    .option('--boot-timeout <time>', 'until the guest says its first word', seconds)
    .option('--heartbeat-timeout <time>', 'silence of the guest itself', seconds)
    .option('--silence-timeout <time>', 'silence of the log', seconds)
    .option('--log-limit <size>', 'size of the log', size)
    .option('--artifacts-limit <size>', 'size of all artifacts together', size)
    .option('--artifact-files <n>', 'number of artifacts', whole)
    .optionsGroup('Request:')
    .option('--request <file>', 'a request as JSON (slipway schema request); other options go over it');
}

/** The files whose digests a request carries in their place; uploaded by whoever calls. */
export interface Uploads extends DebianUploads {
  /** One for all repositories, or as many as these. */
  keyrings?: string[];
  /** Of a script. */
  sources?: ScriptSource[];
}

/**
 * The request that options, an optional request file and uploaded files say. Not validated yet.
 * @throws UsageError where the parts do not go together or the file is no JSON
 */
export async function requestFrom(options: RequestOptions, uploads: Uploads): Promise<unknown> {
  const base = options.request === undefined ? {} : await readRequest(options.request);
  checkKeyrings(options);
  const kind = await kindOf(options, undefined);
  if (kind === 'script' && options.request === undefined && options.name === undefined) {
    throw new UsageError('What the script builds has no name.', 'Give it one: --name foo');
  }
  const said = merged(base, {
    recipe:
      kind === 'script'
        ? await scriptRecipeFrom(options, uploads.sources)
        : debianRecipeFrom(options, uploads),
    repositories: options.repository?.map((line, at) =>
      repository(line, uploads.keyrings?.length === 1 ? uploads.keyrings[0] : uploads.keyrings?.[at]),
    ),
    architecture: options.architecture,
    vm: { isolation: options.isolation, type: options.vm },
    resources: {
      cpus: options.cpus,
      memoryMiB: options.memory,
      diskMiB: options.disk,
      swapMiB: options.swap,
      filesystem: options.filesystem,
    },
    limits: {
      totalSeconds: options.timeout,
      bootSeconds: options.bootTimeout,
      heartbeatSeconds: options.heartbeatTimeout,
      logSilenceSeconds: options.silenceTimeout,
      logMiB: options.logLimit,
      artifactsMiB: options.artifactsLimit,
      artifactFiles: options.artifactFiles,
    },
  });
  if (options.request === undefined && uploads.source === undefined && kind === 'debian') {
    throw new UsageError(
      'Nothing to build is named.',
      'Give a source package (hello), a URL or path of a .dsc, a folder, --script or --request.',
    );
  }
  // Only where the request file says no kind: one that it says wrongly is for the check to name.
  const { recipe } = said;
  return isSection(recipe) ? { ...said, recipe: { kind, ...recipe } } : said;
}

/**
 * `over` on `base`, section by section; what is undefined says nothing, lists and sources replace. A section of the base
 * that is none stays as it is, for the check to name.
 */
function merged(base: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    if (key === 'source' || !isSection(value)) {
      result[key] = value;
      continue;
    }
    const under = base[key] === undefined ? {} : base[key];
    if (!isSection(under)) continue;
    const below = merged(under, value);
    if (Object.keys(below).length > 0) result[key] = below;
  }
  return result;
}

/**
 * One keyring is that of all repositories, several are one for each; with any other number nobody knows which is whose.
 * @throws UsageError
 */
export function checkKeyrings({ keyring = [], repository: lines }: RequestOptions): void {
  if (keyring.length === 0) return;
  if (lines === undefined) {
    throw new UsageError('--keyring needs --repository.', 'Name the repositories that it belongs to.');
  }
  if (keyring.length === 1 || keyring.length === lines.length) return;
  throw new UsageError(
    `There are ${keyring.length} --keyring for ${lines.length} --repository.`,
    'Give one --keyring for all repositories, or one for each of them, in the same order.',
  );
}

function repository(line: string, keyring: string | undefined): unknown {
  const [uri, suite, ...components] = line.trim().split(/\s+/);
  if (uri === undefined || suite === undefined || components.length === 0) {
    throw new UsageError(
      `"${line}" is no repository.`,
      'Write URI, suite and components: --repository "<uri> bookworm main contrib"',
    );
  }
  return { uris: [uri], suites: [suite], components, ...(keyring === undefined ? {} : { keyring }) };
}

/** A whole number from 1. @throws InvalidArgumentError */
export function positive(value: string): number {
  const number = whole(value);
  if (number < 1) throw new InvalidArgumentError('It must be 1 or more.');
  return number;
}

function size(value: string): number {
  return argument(parseMiB, value);
}

function seconds(value: string): number {
  return argument(parseSeconds, value);
}

function argument(parse: (text: string) => number, value: string): number {
  try {
    return parse(value);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
