/** `npm run bench [-- PACKAGE] [--vm TYPE] [--json]`: what slipway adds to a build, as a table or as JSON; the JSON is also kept. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadConfiguration } from '../workers/configuration.ts';
import { buildInChroot } from './chroot.ts';
import { benchExtraction } from './extraction.ts';
import { machine } from './machine.ts';
import { buildThroughService, overhead } from './service.ts';
import { table } from './table.ts';

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean' }, vm: { type: 'string' } },
  allowPositionals: true,
});
const source = positionals[0] ?? 'hello';
const configuration = await loadConfiguration();
const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
try {
  process.stderr.write(`${source} through the service …\n`);
  const result = await buildThroughService(source, folder, values.vm);
  process.stderr.write(`${source} in a plain chroot …\n`);
  const chroot = await buildInChroot(result, configuration, folder);
  process.stderr.write('extraction beside dd …\n');
  const added = await overhead(result, configuration.store.directory);
  const figures = [...added, ...chroot, ...(await benchExtraction())];
  const what = `${result.package.name} ${result.package.version}, VM type ${result.vm.type}, ${result.statistics.downloadedBytes} bytes downloaded`;
  const on = await machine();
  const json = `${JSON.stringify({ what, machine: on, figures, statistics: result.statistics }, null, 2)}\n`;
  const report = join(configuration.home, 'bench');
  await mkdir(report, { recursive: true });
  const file = join(report, `${new Date().toISOString().replaceAll(':', '-')}.json`);
  await writeFile(file, json);
  process.stdout.write(values.json ? json : `${what}\n${on}\n\n${table(figures)}\n\nas JSON: ${file}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
