import { z } from 'zod';
import { Isolation } from '../../schema/request.ts';

const plain = (what: string) =>
  z
    .string()
    .regex(/^\/[^\0\n]*[^\0\n/]$/, `must be the absolute path of a ${what}`)
    .max(4096);

/** A program of the operator's own that starts the guests: docs/emulator.md has what it must do. */
export const EmulatorConfiguration = z.strictObject({
  program: plain('program').describe(
    'Program that runs a guest, started as `vm.uid` without any right: docs/emulator.md says what it finds and must do',
  ),
  isolation: Isolation.describe(
    'What separates its guests from the host: your word, which slipway cannot check and requests rely on',
  ),
  protocol: z
    .enum(['exit', 'qmp'])
    .default('exit')
    .describe(
      'How it tells what became of the guest: exit, by its exit code; qmp, as QEMU does over QMP on its standard input and output',
    ),
  device: plain('character device')
    .regex(/^\/dev\//, 'must be below /dev')
    .optional()
    .describe('A character device that it may open, for instance /dev/kvm'),
});
export type EmulatorConfiguration = z.infer<typeof EmulatorConfiguration>;
