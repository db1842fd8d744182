import { z } from 'zod';
import { Digest } from './digest.ts';
import { FAILURES, type FailureType, PHASES } from './failures.ts';
import { BuildRequest, Isolation, VmType } from './request.ts';

export const Artifact = z.strictObject({
  path: z.string().describe('Relative path, / between folders'),
  kind: z.enum(['file', 'directory', 'symlink']),
  size: z.int().min(0).describe('Bytes; 0 but for files'),
  sha256: Digest.optional().describe('Content; files only'),
  target: z.string().optional().describe('Symlinks only'),
  executable: z.boolean().default(false),
});
export type Artifact = z.infer<typeof Artifact>;

/** What a guest reported of itself and QEMU of the guest, for one boot. */
export const VmStatistics = z.strictObject({
  seconds: z.number().min(0).describe('From start of the VM to its end'),
  bootSeconds: z.number().min(0).describe('From start of the VM to the first record of the guest'),
  commandSeconds: z
    .number()
    .min(0)
    .describe("From the first instruction of the phase's commands to their end"),
  peakMemoryMiB: z.number().min(0).describe('Peak of what the guest used'),
  peakDiskMiB: z.number().min(0).describe('Peak of what the file system held'),
  peakSwapMiB: z.number().min(0),
  readRequests: z.int().min(0),
  writeRequests: z.int().min(0),
  readSectors: z.int().min(0).describe('512 bytes each'),
  writtenSectors: z.int().min(0).describe('512 bytes each'),
  logBytes: z.int().min(0),
});
export type VmStatistics = z.infer<typeof VmStatistics>;

export const Statistics = z.strictObject({
  totalSeconds: z.number().min(0),
  phaseSeconds: z
    .partialRecord(z.enum(PHASES), z.number().min(0))
    .describe('All rounds together. Without publish, which comes after: the status of the build has it'),
  install: VmStatistics.optional(),
  build: VmStatistics.optional(),
  downloadedBytes: z.int().min(0),
  inputBytes: z.int().min(0),
  artifactBytes: z.int().min(0),
});
export type Statistics = z.infer<typeof Statistics>;

export const Failure = z.strictObject({
  type: z.enum(Object.keys(FAILURES) as [FailureType, ...FailureType[]]),
  message: z.string(),
  advice: z.string(),
  phase: z.enum(PHASES).optional(),
  exitCode: z.int().optional(),
  lastLines: z.array(z.string()).optional(),
  items: z.array(z.string()).optional(),
});
export type Failure = z.infer<typeof Failure>;

/** What a guest booted. */
export const UsedKernel = z.strictObject({
  from: z
    .enum(['package', 'files', 'build-root', 'host'])
    .describe(
      'package: the one of the lock; files: of the host that built; build-root: of the lock, by the request; host: a container, on the kernel of the host itself',
    ),
  release: z.string(),
  image: Digest.optional().describe('Of the image; absent where it is the host itself'),
  initramfs: Digest.describe(
    'Of all that lay beside the build root: modules, programs, scripts, what the host adds; not of what the build is told',
  ),
});
export type UsedKernel = z.infer<typeof UsedKernel>;

/** The result of one run of a build, as published in the store. */
export const BuildResult = z.strictObject({
  version: z.literal(1),
  build: z.string().describe('Workflow id: build/<package>/<SHA-256 of the canonical request>'),
  run: z.string().describe('Workflow run id'),
  outcome: z.enum(['succeeded', 'failed']),
  failure: Failure.optional().describe('Only where the outcome is failed'),
  request: BuildRequest,
  package: z.strictObject({ name: z.string(), version: z.string() }),
  lock: Digest.describe('The lock, a blob in the store'),
  log: z.strictObject({ sha256: Digest, size: z.int().min(0) }),
  artifacts: z.array(Artifact),
  host: z.string(),
  kernel: UsedKernel.optional().describe('Absent where the build ended before it was chosen'),
  keptRoot: z
    .enum(['whole', 'base', 'nothing'])
    .optional()
    .describe(
      'What the host had kept of this build root, from an earlier build of the same packages: all of it, the base that many builds share, or nothing. Absent where the build ended before',
    ),
  vm: z.strictObject({ type: VmType, isolation: Isolation }),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  statistics: Statistics,
});
export type BuildResult = z.infer<typeof BuildResult>;
