import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigurationFile } from '../workers/configuration-schema.ts';
import { configurationPage } from './configuration-page.ts';
import { Lock } from './lock.ts';
import { BuildRequest } from './request.ts';
import { BuildResult } from './result.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** JSON Schemas that are public API. Requests and configuration as they are written, the others as they are read. */
export const SCHEMAS = {
  request: { schema: BuildRequest, io: 'input', title: 'slipway build request' },
  result: { schema: BuildResult, io: 'output', title: 'slipway build result' },
  lock: { schema: Lock, io: 'output', title: 'slipway lock' },
  configuration: { schema: ConfigurationFile, io: 'input', title: 'slipway configuration' },
} as const;
export type SchemaName = keyof typeof SCHEMAS;

/** One of the JSON Schemas, as text. */
export function jsonSchema(name: SchemaName): string {
  const { schema, io, title } = SCHEMAS[name];
  return `${JSON.stringify({ title, ...z.toJSONSchema(schema, { io }) }, null, 2)}\n`;
}

/** Every generated file: path relative to `root` and content. */
export function generatedFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const name of Object.keys(SCHEMAS) as SchemaName[])
    files.set(`schema/json/${name}.json`, jsonSchema(name));
  files.set('docs/configuration.md', configurationPage(JSON.parse(jsonSchema('configuration'))));
  return files;
}

/** Paths of the generated files under `root` that are missing or not what the code says. */
export async function staleFiles(root: string): Promise<string[]> {
  const stale: string[] = [];
  for (const [path, content] of generatedFiles()) {
    const there = await readFile(join(root, path), 'utf8').catch(() => undefined);
    if (there !== content) stale.push(path);
  }
  return stale;
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--check')) {
    const stale = await staleFiles(ROOT);
    for (const path of stale) console.error(`${path} is not what the schemas say`);
    if (stale.length > 0) console.error('Run: npm run schema, then look at git diff and commit.');
    process.exitCode = stale.length > 0 ? 1 : 0;
    return;
  }
  for (const [path, content] of generatedFiles()) {
    const target = join(ROOT, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
    console.log(relative(process.cwd(), target));
  }
}

if (import.meta.main) await main(process.argv.slice(2));
