import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { run } from '../../host/run.ts';
import { generatedFiles, staleFiles } from '../../schema/generate.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
let copy: string;
beforeEach(async () => {
  copy = await mkdtemp(join(tmpdir(), 'slipway-generate-'));
  for (const path of generatedFiles().keys()) {
    await cp(join(ROOT, path), join(copy, path), { recursive: true });
  }
});
afterEach(() => rm(copy, { recursive: true, force: true }));

it('finds the committed files true', async () => {
  expect(await staleFiles(ROOT)).toEqual([]);
  await run([process.execPath, join(ROOT, 'schema', 'generate.ts'), '--check']);
});

it('finds each file that is missing or was edited', async () => {
  await rm(join(copy, 'schema/json/lock.json'));
  const edited = join(copy, 'docs/configuration.md');
  await writeFile(edited, (await readFile(edited, 'utf8')).replace('`8`', '`9`'));
  expect((await staleFiles(copy)).sort()).toEqual(['docs/configuration.md', 'schema/json/lock.json']);
});

it('documents every key of the configuration with its meaning', async () => {
  const page = await readFile(join(ROOT, 'docs', 'configuration.md'), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  expect(rows.length).toBeGreaterThan(30);
  for (const row of rows) expect(row.split('|').at(-2)?.trim(), row).not.toBe('');
});

it('lets a request be written as people write it: defaults are not required', () => {
  const request = JSON.parse(generatedFiles().get('schema/json/request.json') ?? '{}');
  expect(request.required).toEqual(['recipe']);
  expect(request.additionalProperties).toBe(false);
});
