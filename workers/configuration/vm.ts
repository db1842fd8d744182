import { z } from 'zod';
import { VmType } from '../../schema/request.ts';

/** What runs the guests. */
export const VmConfiguration = z.strictObject({
  types: z
    .array(VmType)
    .min(1)
    .default(['kvm', 'qemu'])
    .describe('VM types to offer, best first; only those are offered that a probe has proven'),
  uid: z
    .int()
    .min(1)
    .max(4_294_967_293)
    .default(64_055)
    .describe('User and group id that QEMU runs as; nobody else should use it'),
  probeSeconds: z
    .int()
    .min(1)
    .max(600)
    .default(30)
    .describe('Seconds in which the tiny guest of a probe must have booted and ended'),
});
export type VmConfiguration = z.infer<typeof VmConfiguration>;
