import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { ScriptSource } from '../recipes/script/schema.ts';
import { UsageError } from './exit-codes.ts';
import { collect } from './option-values.ts';

/** What the options for scripts leave behind. */
export interface ScriptBuildOptions {
  script?: string;
  name?: string;
  packageVersion?: string;
  source?: string[];
  package?: string[];
  collect?: string;
  env?: string[];
}

export function addScriptOptions(command: Command): Command {
  return command
    .optionsGroup('A script (in the place of SOURCE):')
    .option('--script <file>', 'run this script; its first line may name an interpreter, else it is sh -e')
    .option('--name <name>', 'what it builds')
    .option('--package-version <version>', 'which version of it (default: 0)')
    .option('--source <file>', 'a file for its work folder, or <url>#sha256=<digest>; repeatable', collect)
    .option(
      '--package <name>',
      'a Debian package to install beside the essential ones, for instance gcc; repeatable',
      collect,
    )
    .option('--collect <folder>', 'folder with its results, relative to the work folder (default: output)')
    .option('--env <name=value>', 'a variable for the script; repeatable', collect);
}

/** The recipe of a request that the options say; what is undefined is not said. */
export async function scriptRecipeFrom(options: ScriptBuildOptions, sources: ScriptSource[] | undefined) {
  return {
    name: options.name,
    version: options.packageVersion,
    sources,
    packages: options.package,
    script: options.script === undefined ? undefined : await textOf(options.script),
    output: options.collect,
    environment: options.env === undefined ? undefined : Object.fromEntries(options.env.map(variable)),
  };
}

async function textOf(file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(file));
  } catch (error) {
    throw new UsageError(`The script ${file} cannot be read: ${(error as Error).message}`);
  }
}

function variable(text: string): [string, string] {
  const end = text.indexOf('=');
  if (end > 0) return [text.slice(0, end), text.slice(end + 1)];
  throw new UsageError(
    `--env "${text}" has no value.`,
    'Write name and value: --env MODE=fast. Nothing is taken from your own environment.',
  );
}
