import { z } from 'zod';
import { Architecture, VmType } from '../../schema/request.ts';
import { EmulatorConfiguration } from './emulator.ts';
import { Size } from './primitives.ts';
import { QemuOptions } from './qemu-options.ts';

/** What runs the guests. */
export const VmConfiguration = z.strictObject({
  types: z
    .array(VmType)
    .min(1)
    .default(['kvm', 'qemu'])
    .describe(
      "VM types to offer, best first; only those are offered that a probe has proven. `container` shares this host's kernel with packages that you trust",
    ),
  architectures: z
    .array(Architecture)
    .min(1)
    .refine((all) => new Set(all).size === all.length, 'must name each architecture once')
    .optional()
    .describe(
      'Architectures of build roots to offer, as far as a probe proves them; another processor than that of the host is emulated, by the VM type qemu. Default: that of the host and its 32-bit one',
    ),
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
  hugePages: z
    .union([z.boolean({ error: 'must be true, false or the size of a page, as in 1 GiB' }), Size])
    .default(false)
    .describe(
      "Whether the memory of guests consists of huge pages, which you have reserved: true, those of the kernel's default size; or the size of a page. A host that has not enough of them free boots no guest",
    ),
  qemuOptions: QemuOptions.default([]).describe(
    'Words added at the end of the command line of QEMU, for the VM types kvm and qemu',
  ),
  emulator: EmulatorConfiguration.optional().describe(
    'A program of your own that runs the guests of the VM type emulator',
  ),
});
export type VmConfiguration = z.infer<typeof VmConfiguration>;
