import type { Lock } from '../../schema/lock.ts';
import type { BuildRequest } from '../../schema/request.ts';
import type { BuildPlan, Recipe } from '../recipe.ts';
import { buildCommands, OUTPUT_DIRECTORY, WORK_DIRECTORY } from './build-commands.ts';
import { explainInstallFailure, INSTALL_COMMANDS } from './install-commands.ts';

/** Builds Debian packages from a Debian source package, as Debian's own build hosts do. */
export const debianRecipe: Recipe = {
  kind: 'debian',
  plan(request: BuildRequest, lock: Lock): BuildPlan {
    return {
      sources: lock.source.files,
      sourcesDirectory: WORK_DIRECTORY,
      install: INSTALL_COMMANDS,
      build: buildCommands(request, lock),
      outputDirectory: OUTPUT_DIRECTORY,
    };
  },
  explainInstallFailure,
};
