import { z } from 'zod';
import { Digest } from './digest.ts';
import { Architecture } from './request.ts';

/** One file that goes into a build, pinned. `urls` are tried in order; none: the file is a blob in the store. */
export const InputFile = z.strictObject({
  name: z.string().min(1).max(255),
  urls: z.array(z.string()).max(20),
  size: z.int().min(0).describe('Bytes'),
  sha256: Digest,
});
export type InputFile = z.infer<typeof InputFile>;

export const LockedPackage = InputFile.extend({
  package: z.string(),
  version: z.string(),
  architecture: z.string(),
});
export type LockedPackage = z.infer<typeof LockedPackage>;

/** The outcome of resolution: each file that goes into the build root and the guest. Lies in the store by digest. */
export const Lock = z.strictObject({
  version: z.literal(1),
  architecture: Architecture,
  source: z.strictObject({
    name: z.string(),
    version: z.string(),
    dsc: z.string().optional().describe('Which of the files is the .dsc; only of a Debian source package'),
    files: z.array(InputFile),
  }),
  files: z.array(InputFile).optional().describe('What the recipe lays beside the source'),
  /** Essential packages and what the recipe puts beside them: what many builds share. Sorted by package name. */
  base: z.array(LockedPackage),
  /** What this build adds to the base. Sorted by package name. */
  dependencies: z.array(LockedPackage),
  shared: z
    .array(z.string())
    .optional()
    .describe(
      'Of the dependencies, as <package>_<architecture>: what many builds have too, and is installed with the base. With all that they depend on',
    ),
  kernel: LockedPackage.optional().describe(
    "The distribution's kernel package that the guest boots; absent where hosts boot kernels of their own: the result says which",
  ),
  toolkit: z
    .array(LockedPackage)
    .optional()
    .describe(
      'Programs that run beside the build root, with all that they depend on; only where the kernel is of another architecture than the host that resolved. Sorted by package name',
    ),
  /** What was consulted: each Release file with its digest and date (ISO 8601). */
  repositories: z.array(
    z.strictObject({
      uri: z.string(),
      suite: z.string(),
      components: z.array(z.string()),
      release: Digest,
      date: z.string(),
    }),
  ),
});
export type Lock = z.infer<typeof Lock>;

/** How a package is told from all others of a lock. */
export function packageId({
  package: name,
  architecture,
}: Pick<LockedPackage, 'package' | 'architecture'>): string {
  return `${name}_${architecture}`;
}

/** The packages of a build root in the order of their installation: what many builds share, and the rest. */
export function layersOf({ base, dependencies, shared }: Pick<Lock, 'base' | 'dependencies' | 'shared'>): {
  base: LockedPackage[];
  rest: LockedPackage[];
} {
  const names = new Set(shared);
  const isShared = (entry: LockedPackage) => names.has(packageId(entry));
  return {
    base: [...base, ...dependencies.filter(isShared)],
    rest: dependencies.filter((entry) => !isShared(entry)),
  };
}

/**
 * Files of a lock that are wanted at the same time. `guest`: what each boot of the build itself needs: the source, the
 * recipe's files, kernel and toolkit. `base`: packages of the base of the build root, shared dependencies among them.
 * `dependencies`: what is installed on top of it. Every file of a lock is in one of them.
 */
export type InputPart = 'guest' | 'base' | 'dependencies';

const EVERY: readonly InputPart[] = ['guest', 'base', 'dependencies'];

/** The files that a build fetches: all, or those of some parts. */
export function inputsOf(lock: Lock, parts: readonly InputPart[] = EVERY): InputFile[] {
  const { source, files = [], kernel, toolkit = [] } = lock;
  const { base, rest } = layersOf(lock);
  const of = (part: InputPart, wanted: readonly InputFile[]) => (parts.includes(part) ? wanted : []);
  return [
    ...of('guest', [...source.files, ...files]),
    ...of('base', base),
    ...of('dependencies', rest),
    ...of('guest', [...(kernel ? [kernel] : []), ...toolkit]),
  ];
}
