import type { Command } from 'commander';
import { CrossArchitecture } from '../recipes/debian/options.ts';
import type { DebianSource } from '../recipes/debian/schema.ts';
import type { StoredFile } from '../schema/names.ts';
import { UsageError } from './exit-codes.ts';
import { collect, whole, words } from './option-values.ts';

/** What the options for Debian packages leave behind. */
export interface DebianBuildOptions {
  jobs?: number;
  profile?: string[];
  buildOption?: string[];
  parts?: ('any' | 'all' | 'source')[];
  extraPackage?: string[];
  sourceKeyring?: string;
  crossFor?: string;
  binnmu?: string;
  binnmuMaintainer?: string;
  binnmuTimestamp?: number;
  localPackage?: string[];
  pin?: string[];
  /** `false` where `--no-debug-packages` is given, else `true`. */
  debugPackages?: boolean;
  ccache?: string;
}

export function addDebianOptions(command: Command): Command {
  return command
    .optionsGroup('A Debian package:')
    .option('--jobs <n>', 'parallel jobs (default: the CPUs of the guest)', whole)
    .option(
      '--build-option <word>',
      'a word for DEB_BUILD_OPTIONS, for instance nocheck; repeatable',
      collect,
    )
    .option('--profile <name>', 'a build profile; repeatable', collect)
    .option('--parts <list>', 'what to build: any, all, source; comma-separated', words)
    .option(
      '--extra-package <name>',
      'a package to install beside the build dependencies; repeatable',
      collect,
    )
    .option('--source-keyring <file>', 'the .dsc must be signed by a key of this keyring')
    .option(
      '--cross-for <architecture>',
      `build for another architecture with cross compilers: ${CrossArchitecture.options.join(', ')}`,
    )
    .option(
      '--binnmu <n:text>',
      'rebuild as <version>+b<n>, the changelog says the text; --parts is then any',
    )
    .option('--binnmu-maintainer <who>', '"Name <address>" of that entry (default: of the last entry)')
    .option('--binnmu-timestamp <n>', 'its date in seconds since 1970 (default: of the last entry)', whole)
    .option(
      '--local-package <file>',
      'a .deb that is preferred to those of the repositories; repeatable',
      collect,
    )
    .option(
      '--pin <record>',
      '"<package> <pin> <priority>", for instance "libfoo* version 1.2* 990" or "* release a=stable 100"; repeatable',
      collect,
    )
    .option('--no-debug-packages', 'make no automatic -dbgsym packages')
    .option(
      '--ccache <folder>',
      'begin with a copy of this ccache folder (or a tar of one); it stays as it is',
    );
}

/** Of uploaded files. */
export interface DebianUploads {
  source?: DebianSource;
  sourceKeyring?: string;
  localPackages?: StoredFile[];
  ccache?: string;
}

/** The recipe of a request that the options say; what is undefined is not said. */
export function debianRecipeFrom(options: DebianBuildOptions, uploads: DebianUploads) {
  const binNmu = binNmuFrom(options);
  return {
    source: uploads.source,
    keyring: uploads.sourceKeyring,
    options: {
      parts: options.parts ?? (binNmu === undefined ? undefined : ['any']),
      jobs: options.jobs,
      buildOptions: options.buildOption,
      profiles: options.profile,
      extraPackages: options.extraPackage,
      crossFor: options.crossFor,
      binNmu,
      localPackages: uploads.localPackages,
      pins: options.pin?.map(pinFrom),
      debugPackages: options.debugPackages === false ? false : undefined,
      ccache: uploads.ccache,
    },
  };
}

function binNmuFrom({
  binnmu,
  binnmuMaintainer: maintainer,
  binnmuTimestamp: timestamp,
}: DebianBuildOptions) {
  if (binnmu === undefined) {
    if (maintainer === undefined && timestamp === undefined) return undefined;
    throw new UsageError('--binnmu-maintainer and --binnmu-timestamp need --binnmu.');
  }
  const match = /^(\d+):(.*)$/s.exec(binnmu);
  if (match === null) {
    throw new UsageError(
      `--binnmu "${binnmu}" has no number.`,
      'Write number and text: --binnmu "1:Rebuild against libfoo2"',
    );
  }
  return { number: Number(match[1]), text: match[2], maintainer, timestamp };
}

function pinFrom(record: string) {
  const match = /^(\S+)\s+(\S.*?)\s+(-?\d+)$/.exec(record.trim());
  if (match !== null) return { package: match[1], pin: match[2], priority: Number(match[3]) };
  throw new UsageError(
    `--pin "${record}" is no record of apt's preferences.`,
    'Write package, pin and priority: --pin "libfoo* version 1.2* 990"',
  );
}
