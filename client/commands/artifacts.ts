import type { Command } from 'commander';
import { shortId } from '../../workflows/names.ts';
import { configurationOf, openContext } from '../context.ts';
import { choose } from '../fetch-artifacts.ts';
import { printable } from '../printable.ts';

export function addArtifactsCommand(program: Command): void {
  const command = program
    .command('artifacts')
    .summary('list or fetch what a build made')
    .description('Lists the artifacts of a build, or fetches them. Nothing is ever overwritten.')
    .argument('<id>', 'a package (its newest build), package/digest, or 4 digits of the digest or more')
    .argument('[names...]', 'only these')
    .option('--download <folder>', 'write them into this folder, verified')
    .option('--json', 'as JSON');
  command.action(async (text: string, names: string[], options: { download?: string; json?: boolean }) => {
    const context = await openContext(await configurationOf(command), 'store');
    const { slipway } = context;
    const id = await slipway.find(text);
    const artifacts =
      options.download === undefined
        ? choose(await slipway.artifacts(id), names)
        : await slipway.fetchArtifacts(id, options.download, names);
    if (options.json) {
      console.log(JSON.stringify(artifacts, null, 2));
      return;
    }
    if (artifacts.length === 0) {
      const { state } = await slipway.status(id);
      console.error(`no artifacts: the build ${state}; see slipway logs ${shortId(id)}`);
    }
    for (const artifact of artifacts) {
      const { kind, path, size, sha256, target } = artifact;
      const what = kind === 'file' ? `${sha256}  ${size}` : kind;
      const to = target === undefined ? '' : ` -> ${target}`;
      console.log(printable(`${what}  ${'file' in artifact ? artifact.file : path}${to}`));
    }
  });
}
