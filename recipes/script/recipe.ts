import type { Lock } from '../../schema/lock.ts';
import type { GuestCommand } from '../../vm/vm.ts';
import { BUILDER } from '../debian/build-root/skeleton.ts';
import { BUILDER_ENVIRONMENT } from '../debian/environment.ts';
import { explainInstallFailure, installOf } from '../debian/install-commands.ts';
import { asRecipe, type BuildPlan, type RequestOf, type Wanted } from '../recipe.ts';
import { sourceName } from './schema.ts';

const WORK_DIRECTORY = `${BUILDER.home}/work`;
const SCRIPT = `${BUILDER.home}/script`;

/** `$1`: the text, `$2`: where to. */
const WRITE_SCRIPT = 'printf %s "$1" >"$2" && chmod 755 "$2"';

/** A link could lead to what is no result at all. `$1`: the folder. */
const CHECK_OUTPUT = `
[ -d "$1" ] && [ ! -L "$1" ] && exit
what='no folder'
[ -L "$1" ] && what='a symbolic link and no folder'
echo "the script left $what $1 in its work folder: results belong in a folder of that name" >&2
exit 1
`;

/** Runs a script over sources in a build root of essential packages and those that it wants. */
export const scriptRecipe = asRecipe({ kind: 'script', wanted, package: made, plan, explainInstallFailure });

function wanted({ recipe }: RequestOf<'script'>): Wanted {
  const files = recipe.sources.map((source) => ({
    name: sourceName(source) ?? '',
    sha256: source.sha256,
    url: 'url' in source ? source.url : undefined,
  }));
  return {
    source: { kind: 'files', name: recipe.name, version: recipe.version ?? '0', files },
    parts: [],
    profiles: [],
    base: [],
    shared: [],
    packages: recipe.packages,
    localPackages: [],
    pins: [],
    files: [],
  };
}

function made(_: RequestOf<'script'>, { source: { name, version } }: Lock) {
  return { name, version };
}

function plan({ recipe }: RequestOf<'script'>, lock: Lock): BuildPlan {
  const env = { ...BUILDER_ENVIRONMENT, HOME: BUILDER.home };
  const command = (title: string, argv: [string, ...string[]]): GuestCommand => ({
    title,
    argv,
    env,
    user: 'builder',
    cwd: WORK_DIRECTORY,
  });
  // Not in `env`: the variables of a request (LD_PRELOAD) are for the builder, not for what becomes the builder.
  const variables = Object.entries(recipe.environment).map(([name, value]) => `${name}=${value}`);
  // The kernel finds the interpreter of a script that names one.
  const script = recipe.script.startsWith('#!') ? [SCRIPT] : ['/bin/sh', '-e', SCRIPT];
  return {
    sources: lock.source.files,
    sourcesDirectory: WORK_DIRECTORY,
    ...installOf(lock),
    build: [
      command('laying out the script', ['sh', '-c', WRITE_SCRIPT, 'write', recipe.script, SCRIPT]),
      command('the script', ['/usr/bin/env', ...variables, ...script]),
      command(`looking for the output folder ${recipe.output}`, [
        'sh',
        '-c',
        CHECK_OUTPUT,
        'check',
        recipe.output,
      ]),
    ],
    outputDirectory: `${WORK_DIRECTORY}/${recipe.output}`,
  };
}
