import type { LetterBoxHeader } from '../../extraction/letter-box-header.ts';
import type { GuestSpec, VmEnd } from '../vm.ts';
import type { Cause } from './watchdogs.ts';

const NAMES =
  'the name of a result, or the target of a link, has a control character in it (a newline, an escape): ' +
  "find it with find . -name '*[[:cntrl:]]*'";
const NO_ROOM_IN_SWAP =
  'the results do not fit on the swap, through which they leave the guest: raise resources.swapMiB (or ' +
  'limits.artifactsMiB where the filesystem is btrfs, whose results leave through it as a whole), or leave less';

/**
 * How a boot ended, judged when nothing of QEMU runs any more. A valid status outweighs whatever came after it (a hang
 * on the way down, a crash at power-off). Only the log's limit outweighs the status: whether a log is too large must not
 * depend on when somebody looked.
 */
export function verdict(header: LetterBoxHeader | undefined, cause: Cause, spec: GuestSpec): VmEnd {
  if (header === undefined || cause.failure === 'LogLimitExceeded') return { kind: 'broken', ...cause };
  switch (header.result) {
    case 'succeeded':
      return { kind: 'succeeded' };
    case 'failed':
      return header.command < spec.commands.length
        ? { kind: 'failed', command: header.command, exitCode: header.exitCode }
        : broken('NoStatus', `the guest left a status of command ${header.command}, which it has not`);
    case 'disk-full':
      // With exit code 0 nothing failed but the way out.
      if (header.exitCode === 0) return broken('ArtifactsRejected', NO_ROOM_IN_SWAP);
      return broken(
        'DiskFull',
        `${named(header.command, spec)} failed because the disk of the guest was full`,
      );
    case 'out-of-memory':
      return broken(
        'GuestOutOfMemory',
        `${named(header.command, spec)} failed because the guest was out of memory`,
      );
    case 'names':
      return broken('ArtifactsRejected', NAMES);
  }
}

/** Of the command only what the recipe wrote. */
function named(index: number, { commands }: GuestSpec): string {
  const { title, argv } = commands[index] ?? {};
  return title ?? argv?.[0] ?? `command ${index}`;
}

function broken(failure: Cause['failure'], message: string): VmEnd {
  return { kind: 'broken', failure, message };
}
