import { SlipwayFailure } from '../../schema/failures.ts';
import { nativeArchitectures } from '../../vm/architectures.ts';
import { compose } from '../../workers/compose.ts';
import type { Configuration } from '../../workers/configuration.ts';
import { probeHost } from '../../workers/proven-vms.ts';
import { type Finding, failed, ok, warning } from './check.ts';
import { checkContainer } from './container.ts';

/** Boots a tiny guest with each configured VM type and architecture; one that works is enough. */
export async function checkVms(configuration: Configuration): Promise<Finding[]> {
  if (process.getuid?.() !== 0) {
    return [failed('vm', 'not tried: starting a guest needs root', 'Run slipway doctor as root.')];
  }
  try {
    const composition = await compose(configuration);
    try {
      const signal = AbortSignal.timeout(30 * 60_000);
      const probes = await probeHost(configuration, composition, {
        signal,
        anew: true,
      });
      const containers = await checkContainer(configuration);
      const one = probes.some(({ works }) => works);
      const [own] = nativeArchitectures();
      const found = probes.map(({ type, architecture, works, reason, advice = 'See the reason.' }) => {
        const name = architecture === own ? `vm ${type}` : `vm ${type} ${architecture}`;
        if (works) return ok(name, reason);
        if (one) return warning(name, `not offered: ${reason}`);
        return failed(name, reason, `${advice} No VM type works here.`);
      });
      return [...found, ...containers];
    } finally {
      composition.close();
    }
  } catch (error) {
    if (!(error instanceof SlipwayFailure)) throw error;
    return [failed('vm', error.message, error.details().advice)];
  }
}
