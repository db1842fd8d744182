import type { StepContext } from '../host/progress.ts';
import type { Lock } from '../schema/lock.ts';
import type { BuildRequest } from '../schema/request.ts';

/** Turns a request into a lock: each file that goes in, pinned by digest. */
export interface Resolver {
  /**
   * @throws SlipwayFailure InvalidRequest (source package unknown), UnresolvableDependencies (`items`: all of them),
   *   InputRejected (signature, date, checksum), DownloadFailed (mirror unreachable)
   */
  resolve(request: BuildRequest, context: StepContext): Promise<Lock>;
}
