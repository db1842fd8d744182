import { describe, expect, it } from 'vitest';
import type { LetterBoxHeader } from '../../../extraction/letter-box-header.ts';
import { verdict } from '../../../vm/supervisor/verdict.ts';
import type { Cause } from '../../../vm/supervisor/watchdogs.ts';
import type { GuestSpec } from '../../../vm/vm.ts';

const spec = { commands: [{}, {}] } as unknown as GuestSpec;
const hung: Cause = { failure: 'GuestHung', message: 'silent' };

function header(of: Partial<LetterBoxHeader>): LetterBoxHeader {
  return { result: 'succeeded', command: 1, exitCode: 0, length: 0, sha256: '', ...of };
}

describe('the verdict', () => {
  it('is the cause where there is no valid status', () => {
    expect(verdict(undefined, hung, spec)).toEqual({ kind: 'broken', ...hung });
  });

  it('is the status where there is one, whatever came after it', () => {
    expect(verdict(header({}), hung, spec)).toEqual({ kind: 'succeeded' });
    expect(verdict(header({ result: 'failed', exitCode: 3 }), hung, spec)).toEqual({
      ...{ kind: 'failed', command: 1, exitCode: 3 },
    });
  });

  it.each([
    ['disk-full', 'DiskFull'],
    ['out-of-memory', 'GuestOutOfMemory'],
    ['names', 'ArtifactsRejected'],
  ] as const)('calls %s %s', (result, failure) => {
    expect(verdict(header({ result, exitCode: 1 }), hung, spec)).toMatchObject({ kind: 'broken', failure });
  });

  it('tells results that do not fit through the swap from a disk that was full', () => {
    expect(verdict(header({ result: 'disk-full' }), hung, spec)).toMatchObject({
      ...{ kind: 'broken', failure: 'ArtifactsRejected' },
      message: expect.stringContaining('raise resources.swapMiB'),
    });
  });

  it('believes no status of a command that the guest was not given', () => {
    const end = verdict(header({ result: 'failed', command: 2, exitCode: 1 }), hung, spec);
    expect(end).toMatchObject({ kind: 'broken', failure: 'NoStatus' });
  });

  it('is the same for a log that is too large, whenever that was noticed', () => {
    const cause: Cause = { failure: 'LogLimitExceeded', message: 'too large' };
    expect(verdict(header({}), cause, spec)).toEqual({ kind: 'broken', ...cause });
  });
});
