import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { openRaw } from './raw-device.ts';

const HEADER_BYTES = 512;
/** Where the list begins; what lies before it is zeroed for each boot. */
export const LIST_OFFSET = 4096;

/** What a guest says of its boot; `guest/PROTOCOL.md` has the format. */
export interface LetterBoxHeader {
  result: 'succeeded' | 'failed' | 'disk-full' | 'out-of-memory' | 'names';
  /** Index of the failed or of the last command. */
  command: number;
  /** 0 to 255; 128 + signal where the command was killed. */
  exitCode: number;
  /** Bytes of the list; more than 0 only where succeeded. */
  length: number;
  sha256: string;
}

/** Which boot a header must be of. */
export interface Boot {
  phase: 'install' | 'build';
  /** 32 hexadecimal digits. */
  nonce: string;
}

const HEADER = new RegExp(
  [
    '^slipway-letter-box 1',
    'phase=(?<phase>install|build)',
    'nonce=(?<nonce>[0-9a-f]{32})',
    'result=(?<result>succeeded|failed|disk-full|out-of-memory|names)',
    'command=(?<command>0|[1-9][0-9]{0,5})',
    'exit=(?<exit>0|[1-9][0-9]{0,2})',
    'length=(?<length>0|[1-9][0-9]{0,14})',
    'sha256=(?<sha256>[0-9a-f]{64})',
    '\0*$',
  ].join('\n'),
);

/**
 * Reads the header of a letter box. Undefined where there is none that is whole and of this boot: whatever else lies
 * there says nothing.
 */
export async function readHeader(swapPath: string, boot: Boot): Promise<LetterBoxHeader | undefined> {
  await using swap = await openRaw(swapPath);
  if (swap.size < LIST_OFFSET) return undefined;
  const bytes = Buffer.alloc(HEADER_BYTES);
  await swap.read(bytes, 0);
  return parseHeader(bytes, boot);
}

function parseHeader(bytes: Buffer, boot: Boot): LetterBoxHeader | undefined {
  const found = HEADER.exec(bytes.toString('latin1'))?.groups;
  if (found?.phase !== boot.phase || found.nonce !== boot.nonce) return undefined;
  const header: LetterBoxHeader = {
    result: found.result as LetterBoxHeader['result'],
    command: Number(found.command),
    exitCode: Number(found.exit),
    length: Number(found.length),
    sha256: found.sha256 as string,
  };
  return consistent(header) ? header : undefined;
}

function consistent({ result, exitCode, length }: LetterBoxHeader): boolean {
  if (exitCode > 255) return false;
  if (result === 'succeeded') return exitCode === 0;
  return length === 0 && (result !== 'failed' || exitCode !== 0);
}

/** Zeroes the header, so that nothing an earlier boot left can be taken for an answer of the next one. */
export async function zeroHeader(swapPath: string): Promise<void> {
  await using swap = await open(swapPath, constants.O_WRONLY | constants.O_NOFOLLOW);
  await swap.write(Buffer.alloc(LIST_OFFSET), 0, LIST_OFFSET, 0);
}
