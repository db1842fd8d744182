import type { StepContext } from '../host/progress.ts';
import type { Wanted } from '../recipes/recipe.ts';
import type { Lock } from '../schema/lock.ts';
import { debianSource, type SourceDependencies } from './debian-source.ts';
import type { Dsc } from './dsc.ts';
import { wantedFile } from './wanted-files.ts';

/**
 * Finds what a recipe builds: files that the request pins, or a Debian source package.
 * @throws SlipwayFailure as `Resolver.resolve`
 */
export async function resolveSource(
  source: Wanted['source'],
  dependencies: SourceDependencies,
  context: StepContext,
): Promise<{ source: Lock['source']; dsc?: Dsc }> {
  if (source.kind === 'debian') return await debianSource(source, dependencies, context);
  const { name, version } = source;
  const from = { store: dependencies.store, transport: dependencies.download.transport };
  const files = await Promise.all(source.files.map((file) => wantedFile(file, from, context.signal)));
  return { source: { name, version, files } };
}
