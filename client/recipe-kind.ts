import { UsageError } from './exit-codes.ts';
import { isSection, readRequest } from './request-file.ts';
import type { RequestOptions } from './request-options.ts';

type Kind = 'debian' | 'script';

/** Options that only one kind of recipe has, by their names on the command line. */
const ONLY: Readonly<Record<Kind, Partial<Record<keyof RequestOptions, string>>>> = {
  debian: {
    jobs: '--jobs',
    profile: '--profile',
    buildOption: '--build-option',
    parts: '--parts',
    extraPackage: '--extra-package',
    sourceKeyring: '--source-keyring',
    crossFor: '--cross-for',
    binnmu: '--binnmu',
    binnmuMaintainer: '--binnmu-maintainer',
    binnmuTimestamp: '--binnmu-timestamp',
    localPackage: '--local-package',
    pin: '--pin',
    ccache: '--ccache',
  },
  script: {
    script: '--script',
    name: '--name',
    packageVersion: '--package-version',
    source: '--source',
    package: '--package',
    collect: '--collect',
    env: '--env',
  },
};

/**
 * The kind of recipe that the options mean. To be asked before anything is uploaded for them.
 * @param source the argument of `build`
 * @throws UsageError where they do not go together
 */
export async function kindOf(options: RequestOptions, source: string | undefined): Promise<Kind> {
  const { recipe } = options.request === undefined ? {} : await readRequest(options.request);
  const said = isSection(recipe) ? recipe.kind : undefined;
  const kind = options.script !== undefined || said === 'script' ? 'script' : 'debian';
  const other = kind === 'script' ? 'debian' : 'script';
  const foreign = Object.entries(ONLY[other])
    .filter(([name]) => options[name as keyof RequestOptions] !== undefined)
    .map(([, flag]) => flag);
  if (kind === 'script' && options.debugPackages === false) foreign.push('--no-debug-packages');
  if (kind === 'script' && source !== undefined) foreign.unshift(`SOURCE (${source})`);
  if (foreign.length === 0) return kind;
  throw new UsageError(
    `${foreign.join(', ')}: not for the build of a ${kind === 'script' ? 'script' : 'Debian package'}.`,
    kind === 'script'
      ? 'The files of a script are named with --source, its packages with --package.'
      : 'Name the script with --script, or leave these out.',
  );
}
