import { z } from 'zod';
import { Digest } from '../../schema/digest.ts';
import { PackageName, StoredFile } from '../../schema/names.ts';

const words = (pattern: RegExp) => z.array(z.string().regex(pattern).max(100)).max(50);

/** One line of text for a changelog: no control character, so that it cannot begin another entry. */
const Line = z
  .string()
  .max(1000)
  .regex(
    /^(?!\s)[^\p{Cc}\u2028\u2029]+(?<!\s)$/u,
    'must be one line without control characters and without blanks at its ends',
  );

/** As `sbuild --binNMU=<number> --make-binNMU=<text>`. */
export const BinNmu = z.strictObject({
  number: z.int().min(1).max(9999).describe('N of the version suffix +bN'),
  text: Line.describe('Why it is rebuilt; the entry of the changelog'),
  maintainer: Line.max(200)
    .regex(/^[^<>]+ <[^<>\s]+@[^<>\s]+>$/, 'must be written as: Name <address@host>')
    .optional()
    .describe("Who signs the entry; default: that of the source's last entry"),
  timestamp: z
    .int()
    .min(0)
    .max(253_402_300_799)
    .optional()
    .describe("Date of the entry, seconds since 1970; default: that of the source's last entry"),
});

/** A record of apt's preferences. No field can hold a line end, so no record can bring another one. */
export const Pin = z.strictObject({
  package: z
    .string()
    .regex(
      /^(src:)?[a-z0-9*?][a-z0-9+.*?-]*(:[a-z0-9]+)?$/,
      'must be a package name, where wanted with the wildcards * and ?',
    )
    .max(200)
    .describe('Package name; * and ? are wildcards, src:<name> means all of a source package'),
  pin: z
    .string()
    .max(300)
    .regex(
      /^(version [A-Za-z0-9.+~:*?-]+|release [aclnov]=[A-Za-z0-9 ._+/~*?-]+(,\s?[aclnov]=[A-Za-z0-9 ._+/~*?-]+)*|origin ([A-Za-z0-9.-]+|""))$/,
      'must be written as: version 1.2*, release a=stable (or with c, l, n, o, v; several with commas), or origin mirror.example.org',
    )
    .describe('Which versions it is about: version <pattern>, release a=<suite>,…, origin <host>'),
  priority: z
    .int()
    .min(-32_768)
    .max(32_767)
    .refine((value) => value !== 0, 'must not be 0, which apt leaves undefined')
    .describe(
      'As in apt_preferences(5): 990 before others, 100 only where nothing else has it, below 0 never',
    ),
});

/** Architectures that Debian has cross compilers for. */
export const CrossArchitecture = z.enum([
  'amd64',
  'arm64',
  'armel',
  'armhf',
  'i386',
  'mips64el',
  'mipsel',
  'ppc64el',
  'riscv64',
  's390x',
]);

export const DebianOptions = z
  .strictObject({
    parts: z
      .array(z.enum(['any', 'all', 'source']))
      .min(1)
      .default(['any', 'all'])
      .describe(
        'What to build: architecture-dependent (any), independent (all) packages, the source package',
      ),
    jobs: z.int().min(1).max(1024).optional().describe('Parallel jobs; default: the CPUs of the guest'),
    buildOptions: words(/^[a-z0-9=._,+-]+$/)
      .default([])
      .describe('DEB_BUILD_OPTIONS without parallel=, for instance nocheck'),
    profiles: words(/^[a-z0-9.-]+$/)
      .default([])
      .describe('DEB_BUILD_PROFILES; they also select the build dependencies, and nocheck leaves out tests'),
    extraPackages: z
      .array(PackageName)
      .max(1000)
      .default([])
      .describe('Packages to install beside the build dependencies, as in Build-Depends'),
    // No defaults from here on: one would change the id of every request.
    crossFor: CrossArchitecture.optional().describe(
      'Build for this architecture with cross compilers; adds the profiles cross and nocheck where none are given',
    ),
    binNmu: BinNmu.optional().describe('Rebuild under the version <version>+bN; parts must then be ["any"]'),
    localPackages: z
      .array(StoredFile)
      .max(1000)
      .optional()
      .describe(
        '.deb files in the store that are preferred to those of the repositories, where they are needed',
      ),
    pins: z.array(Pin).max(200).optional().describe('Which versions of packages are preferred or kept away'),
    debugPackages: z
      .boolean()
      .optional()
      .describe('false: no automatic -dbgsym packages (noautodbgsym); default: as the package does'),
    ccache: Digest.optional().describe(
      'A tar of a ccache folder, in the store, plain or packed by gzip or xz: the build begins with a copy of it',
    ),
  })
  .superRefine(({ parts, binNmu, localPackages = [] }, context) => {
    if (binNmu !== undefined && parts.some((part) => part !== 'any')) {
      const message = `are ${parts.join(', ')}: a binary-only rebuild (binNmu) makes nothing but architecture-dependent packages; write ["any"]`;
      context.addIssue({ code: 'custom', path: ['parts'], message });
    }
    localPackages.forEach(({ name }, index) => {
      if (!/\.deb$/.test(name)) {
        const message = 'must end in .deb';
        context.addIssue({ code: 'custom', path: ['localPackages', index, 'name'], message });
      }
      if (localPackages.findIndex((other) => other.name === name) < index) {
        const message = `is given twice: ${name}`;
        context.addIssue({ code: 'custom', path: ['localPackages', index, 'name'], message });
      }
    });
  });
export type DebianOptions = z.infer<typeof DebianOptions>;
