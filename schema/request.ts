import { z } from 'zod';
import { DebianRecipe } from '../recipes/debian/schema.ts';
import { ScriptRecipe } from '../recipes/script/schema.ts';
import { Digest } from './digest.ts';
import { HttpUrl } from './http-url.ts';

/** What separates a guest from its host, strongest first. */
export const ISOLATIONS = ['secure', 'emulated', 'user-space-kernel', 'shared-kernel'] as const;
export const Isolation = z
  .enum(ISOLATIONS)
  .describe('secure: hardware virtualization; emulated: QEMU without it; the request never gets less');
export type Isolation = z.infer<typeof Isolation>;

/**
 * `kvm`: QEMU with hardware virtualization; `qemu`: QEMU emulating (TCG); `container`: namespaces of the host's kernel;
 * `emulator`: a program of the host's operator.
 */
export const VmType = z.enum(['kvm', 'qemu', 'container', 'emulator']);
export type VmType = z.infer<typeof VmType>;

/**
 * What separates the guests of each VM type from their host. That of `emulator` is the word of each host's operator: no
 * request can be refused for it before a host has answered.
 */
export const ISOLATION_OF: Readonly<Record<Exclude<VmType, 'emulator'>, Isolation>> = {
  kvm: 'secure',
  qemu: 'emulated',
  container: 'shared-kernel',
};

/** Whether an isolation is at least the demanded one. */
export function satisfies(offered: Isolation, demanded: Isolation): boolean {
  return ISOLATIONS.indexOf(offered) <= ISOLATIONS.indexOf(demanded);
}

export const Architecture = z
  .enum(['amd64', 'i386', 'arm64', 'armhf'])
  .describe(
    'Debian architecture of the build root; i386 and armhf run on a 64-bit kernel as 32-bit machines',
  );
export type Architecture = z.infer<typeof Architecture>;

const word = (what: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._~/+-]*$/, `must be a ${what}`)
    .max(200);

/** An apt repository. Its signatures are checked by apt; there is no way to say "trusted". */
export const Repository = z.strictObject({
  uris: z.array(HttpUrl).min(1).max(20),
  suites: z.array(word('suite')).min(1).max(20),
  components: z.array(word('component')).min(1).max(20),
  keyring: Digest.optional().describe(
    "Keyring blob in the store that must have signed the Release file; default: the worker's own keyrings",
  ),
});
export type Repository = z.infer<typeof Repository>;

/** Filesystems of the guest's disk. */
export const FilesystemName = z.enum(['ext2', 'ext3', 'ext4', 'xfs', 'btrfs']);
export type FilesystemName = z.infer<typeof FilesystemName>;

export const Resources = z.strictObject({
  cpus: z.int().min(1).max(256).default(2),
  memoryMiB: z.int().min(128).max(4_194_304).default(2048),
  diskMiB: z.int().min(16).max(16_777_216).default(4096).describe('Disk of the guest; sparse on the host'),
  swapMiB: z
    .int()
    .min(16)
    .max(1_048_576)
    .default(1024)
    .describe('Swap of the guest, also the way out of results'),
  filesystem: FilesystemName.optional().describe(
    "Filesystem of the disk; default: the host's configured one",
  ),
});
export type Resources = z.infer<typeof Resources>;

export const Limits = z.strictObject({
  bootSeconds: z.int().min(5).max(3600).default(300).describe('From start of the VM to its first word'),
  heartbeatSeconds: z
    .int()
    .min(5)
    .max(3600)
    .default(120)
    .describe('Silence of the guest itself, not of its log'),
  logSilenceSeconds: z.int().min(5).max(86_400).default(3600).describe('Silence of the log'),
  totalSeconds: z.int().min(10).max(604_800).default(28_800).describe('Whole run of one VM'),
  logMiB: z.int().min(1).max(4096).default(256),
  artifactsMiB: z.int().min(1).max(1_048_576).default(4096).describe('Sum of all artifacts'),
  artifactFiles: z.int().min(1).max(100_000).default(10_000),
});
export type Limits = z.infer<typeof Limits>;

/** Nobody gets a container without asking for it: by its name, or by the isolation that it has. */
function leastIsolation(type: VmType | undefined): Isolation {
  return type === 'container' ? ISOLATION_OF.container : 'emulated';
}

const VmDemand = z
  .strictObject({
    isolation: Isolation.optional().describe(
      'The least isolation that is accepted; default: emulated, with type container shared-kernel',
    ),
    type: VmType.optional().describe('One VM type and no other'),
  })
  .transform(({ isolation, ...rest }) => ({ isolation: isolation ?? leastIsolation(rest.type), ...rest }))
  .pipe(
    z.strictObject({
      isolation: Isolation.describe('The least isolation that is accepted'),
      type: VmType.optional().describe('One VM type and no other'),
    }),
  )
  .superRefine(({ type, isolation }, context) => {
    if (type === undefined || type === 'emulator' || satisfies(ISOLATION_OF[type], isolation)) return;
    const message = `is ${type}, whose isolation is ${ISOLATION_OF[type]}: less than the demanded ${isolation}, so that no host could ever take the build`;
    context.addIssue({ code: 'custom', path: ['type'], message });
  });

/** A request for a build: everything that determines it. Unknown fields are refused. */
export const BuildRequest = z
  .strictObject({
    recipe: z.discriminatedUnion('kind', [DebianRecipe, ScriptRecipe]),
    repositories: z
      .array(Repository)
      .min(1)
      .max(50)
      .optional()
      .describe("Where packages come from; default: the worker's configured repositories"),
    architecture: Architecture.default('amd64'),
    vm: VmDemand.prefault({}),
    resources: Resources.prefault({}),
    limits: Limits.prefault({}),
    lock: Digest.optional().describe(
      'Lock of an earlier build, a blob in the store, in the place of resolving anew: the same inputs go in. It must fit the request; no signature is checked again',
    ),
  })
  .superRefine(({ recipe, architecture }, context) => {
    if (recipe.kind !== 'debian' || recipe.options.crossFor !== architecture) return;
    const message = `is ${architecture}, the architecture of the build root itself: leave it out`;
    context.addIssue({ code: 'custom', path: ['recipe', 'options', 'crossFor'], message });
  });
/** A request with all defaults applied. */
export type BuildRequest = z.infer<typeof BuildRequest>;
/** A request as a caller writes it: what has a default may be left out. */
export type BuildRequestInput = z.input<typeof BuildRequest>;
