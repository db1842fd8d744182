import type { InputFile, Lock } from '../schema/lock.ts';
import type { BuildRequest } from '../schema/request.ts';
import type { GuestCommand } from '../vm/vm.ts';

/** What a guest is to do for a recipe, as data. */
export interface BuildPlan {
  /** Files of the lock that are laid into the build root before it boots. */
  sources: readonly InputFile[];
  /** Absolute folder in the build root for them; owned by the builder. */
  sourcesDirectory: string;
  /** As root; the untrusted source is not read yet. */
  install: readonly GuestCommand[];
  /** As the unprivileged builder. */
  build: readonly GuestCommand[];
  /** Absolute folder in the build root whose content is the result. */
  outputDirectory: string;
}

/** What is built and how. One folder per recipe. */
export interface Recipe {
  readonly kind: BuildRequest['recipe']['kind'];
  plan(request: BuildRequest, lock: Lock): BuildPlan;
  /**
   * What to say where a command of the install phase failed: which step it was and, as far as the last lines of the log
   * tell, which packages (`items`; only such as the lock has).
   */
  explainInstallFailure(
    lock: Lock,
    command: number,
    lastLines: readonly string[],
  ): { message: string; items: string[] };
}
