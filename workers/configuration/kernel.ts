import { z } from 'zod';

const File = z.string().regex(/^\//, 'must be an absolute path');

/** Which kernel guests boot. */
export const KernelConfiguration = z
  .strictObject({
    from: z
      .enum(['package', 'files', 'build-root'])
      .default('package')
      .describe(
        'package: the package `kernelPackage`, locked with the other inputs; files: `kernel.image` and `kernel.modules` of this host; build-root: the kernel package that the build root of a build installs, which the request must ask for',
      ),
    image: File.optional().describe('Kernel: a bzImage (amd64) or an Image (arm64). Only for `from: files`'),
    modules: File.optional().describe(
      'Folder of its modules, named after its release as below /lib/modules. Only for `from: files`',
    ),
    initramfs: File.optional().describe(
      "An initramfs of your own, unpacked before slipway's: for firmware or microcode. /bin and /lib must be folders in it, or not be there",
    ),
  })
  .superRefine(({ from, image, modules }, context) => {
    for (const [name, value] of Object.entries({ image, modules })) {
      if ((value !== undefined) === (from === 'files')) continue;
      const message = from === 'files' ? 'is missing' : `belongs to "from: files", not to "from: ${from}"`;
      context.addIssue({ code: 'custom', path: [name], message });
    }
  });
export type KernelConfiguration = z.infer<typeof KernelConfiguration>;
