import { z } from 'zod';
import { HttpUrl } from '../schema/http-url.ts';
import { BuildRootsConfiguration } from './configuration/build-roots.ts';
import { DisksConfiguration } from './configuration/disks.ts';
import { KernelConfiguration } from './configuration/kernel.ts';
import { Folder, Size } from './configuration/primitives.ts';
import { RetentionConfiguration } from './configuration/retention.ts';
import { StoreConfiguration } from './configuration/store.ts';
import { VmConfiguration } from './configuration/vm.ts';

const word = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._~/+-]*$/, 'must be a plain word');

const Directories = z.strictObject({
  state: Folder.optional().describe('Leases, running VMs, the development server. Default: `<home>/state`'),
  cache: Folder.optional().describe(
    'Downloaded inputs, by digest, and kept build roots. Default: `<home>/cache`',
  ),
  scratch: Folder.optional().describe(
    'Disks of running builds; needs room for `capacity.builds` of them. Default: `<home>/scratch`',
  ),
});

const Capacity = z.strictObject({
  builds: z
    .int()
    .min(1)
    .max(1024)
    .optional()
    .describe(
      'Builds at the same time. Default: one for each pair of `disks.devices`; without these one for each two CPUs of the host, at least 1',
    ),
  memory: Size.optional().describe(
    'Memory of all guests together, for instance `4 GiB`. Default: the huge pages of the host where `vm.hugePages` is on, else its memory less an eighth',
  ),
});

export const ConfiguredRepository = z.strictObject({
  uris: z.array(HttpUrl).min(1).max(20).describe('Base URIs, http or https'),
  suites: z.array(word).min(1).max(20).describe('Suites'),
  components: z.array(word).min(1).max(20).describe('Components'),
  signedBy: Folder.optional().describe(
    'Keyring file that must have signed the Release file. Default: the keyrings that apt trusts on the host',
  ),
});
export type ConfiguredRepository = z.infer<typeof ConfiguredRepository>;

const Downloads = z.strictObject({
  parallel: z.int().min(1).max(64).default(8).describe('Downloads at the same time'),
  attempts: z.int().min(1).max(20).default(4).describe('Attempts for each file, with growing pauses'),
});

const Ceilings = z.strictObject({
  cpus: z.int().min(1).max(256).default(64).describe('CPUs of one guest'),
  memory: Size.optional().describe(
    'Memory of one guest; the same on all hosts. Default: what a host has for guests',
  ),
  disk: Size.prefault('100 GiB').describe('Disk of one guest'),
  swap: Size.prefault('64 GiB').describe('Swap of one guest'),
  totalSeconds: z.int().min(10).max(604_800).default(604_800).describe('Seconds that one VM may run'),
  log: Size.prefault('1 GiB').describe('Log of one build'),
  artifacts: Size.prefault('100 GiB').describe('Sum of all artifacts of one build'),
});

const Sections = z.strictObject({
  host: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be lower-case letters, digits and - (at most 63)')
    .optional()
    .describe('Name of this host, unique in the farm. Default: its host name up to the first dot'),
  directories: Directories.prefault({}).describe('Where the worker keeps things; absolute paths'),
  store: StoreConfiguration.prefault({}).describe(
    'Where results, logs and uploaded inputs lie; the same for all hosts and clients of a farm',
  ),
  retention: RetentionConfiguration.prefault({}).describe(
    'What `slipway gc` deletes; nothing without a rule',
  ),
  disks: DisksConfiguration.prefault({}).describe('Disks of the guests'),
  buildRoots: BuildRootsConfiguration.prefault({}).describe(
    'Build roots that a host keeps: disks as they are when all packages are installed, for the next build that wants the same',
  ),
  capacity: Capacity.prefault({}).describe('How much runs on this host at a time'),
  repositories: z
    .array(ConfiguredRepository)
    .min(1)
    .max(50)
    .optional()
    .describe("Where packages come from. Default: the machine's own apt sources"),
  kernelPackage: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9+.-]|\{architecture\})+$/, 'must be a Debian package name')
    .default('linux-image-cloud-{architecture}')
    .describe(
      "Package of the kernel that guests boot, or one that depends on it; `{architecture}` stands for the kernel's (amd64, arm64)",
    ),
  kernel: KernelConfiguration.prefault({}).describe('Where the kernel of guests comes from'),
  vm: VmConfiguration.prefault({}).describe('What runs the guests'),
  downloads: Downloads.prefault({}).describe('How inputs are fetched'),
  limits: Ceilings.prefault({}).describe('Ceilings of what a request may ask for'),
  temporal: z
    .strictObject({
      graceSeconds: z
        .int()
        .min(10)
        .max(86_400)
        .default(180)
        .describe('Seconds that a host may be away before its builds start over elsewhere'),
      webUrl: z
        .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
        .optional()
        .describe("Base of Temporal's Web UI, for links. Default: that of the development server"),
    })
    .prefault({})
    .describe('How the worker deals with Temporal; address and the like come from `TEMPORAL_*`'),
});
/** What two sections say must go together. */
function refuseContradictions(
  { capacity, disks, vm }: Pick<z.output<typeof Sections>, 'capacity' | 'disks' | 'vm'>,
  context: z.RefinementCtx,
): void {
  const pairs = disks.devices?.length ?? Number.POSITIVE_INFINITY;
  if (capacity.builds !== undefined && capacity.builds > pairs) {
    const message = `is ${capacity.builds}, but disks.devices has ${pairs} pairs: each build needs one`;
    context.addIssue({ code: 'custom', path: ['capacity', 'builds'], message });
  }
  if (vm.types.includes('emulator') && vm.emulator === undefined) {
    const message = 'is missing: vm.types offers emulator';
    context.addIssue({ code: 'custom', path: ['vm', 'emulator'], message });
  }
}

/** The configuration of worker and command line, as written in its file. All keys may be left out. */
export const ConfigurationFile = Sections.superRefine(refuseContradictions);
export type ConfigurationFile = z.infer<typeof ConfigurationFile>;
