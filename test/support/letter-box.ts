import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

/** What a guest puts into the letter box; see guest/PROTOCOL.md. */
export interface Letter {
  phase: 'install' | 'build';
  nonce: string;
  result: string;
  command: number;
  exit: number;
  list: string | Uint8Array;
}

/** Writes a letter box as a guest does: the list first, then the header. The swap exists in its full size. */
export async function writeLetterBox(swapPath: string, letter: Letter): Promise<void> {
  const list = Buffer.from(letter.list);
  await using swap = await open(swapPath, 'r+');
  await swap.write(list, 0, list.length, 4096);
  const header = Buffer.alloc(512);
  header.write(letterBoxHeader(letter, list), 'latin1');
  await swap.write(header, 0, header.length, 0);
}

function letterBoxHeader(letter: Letter, list: Buffer): string {
  const lines = [
    'slipway-letter-box 1',
    `phase=${letter.phase}`,
    `nonce=${letter.nonce}`,
    `result=${letter.result}`,
    `command=${letter.command}`,
    `exit=${letter.exit}`,
    `length=${list.length}`,
    `sha256=${createHash('sha256').update(list).digest('hex')}`,
  ];
  return `${lines.join('\n')}\n`;
}
