import { readFile, writeFile } from 'node:fs/promises';
import { ARCHITECTURES } from '../vm/architectures.ts';
import type { GuestCommand, GuestSpec } from '../vm/vm.ts';
import { type CpioEntry, cpio } from './cpio.ts';

/** Words and environment of one command together, bytes: what the guest hands over in one piece. */
export const COMMAND_BYTES = 100_000;

export interface BootConfiguration {
  spec: Pick<
    GuestSpec,
    'phase' | 'nonce' | 'architecture' | 'filesystem' | 'commands' | 'incoming' | 'outputDirectory'
  >;
}

/**
 * Writes the initramfs of one boot: the toolkit and behind it the configuration.
 * @throws RangeError where a command is longer than COMMAND_BYTES or has a NUL in a word
 */
export async function bootInitramfs(
  of: BootConfiguration & { toolkit: string; into: string },
): Promise<void> {
  await writeFile(of.into, Buffer.concat([await readFile(of.toolkit), cpio(configuration(of))]), {
    mode: 0o600,
  });
}

/** The files of `/slipway` in the guest: PROTOCOL.md. */
export function configuration({ spec }: BootConfiguration): CpioEntry[] {
  return [
    { path: 'slipway', mode: 0o700 },
    file('phase', spec.phase),
    file('nonce', spec.nonce),
    file('personality', ARCHITECTURES[spec.architecture].personality),
    file('filesystem', spec.filesystem.name),
    file('mount-options', spec.filesystem.mountOptions.join(',')),
    file('content', spec.filesystem.content),
    file('incoming', spec.incoming?.folder ?? ''),
    file('incoming-blocks', `${spec.incoming === undefined ? 0 : spec.incoming.bytes / 4096 - 1}`),
    file('output', spec.outputDirectory ?? ''),
    ...spec.commands.flatMap(command),
  ];
}

function command(of: GuestCommand, index: number): CpioEntry[] {
  const argv = of.argv.map(ended).join('');
  const env = Object.entries(of.env)
    .map(([name, value]) => ended(`${name}=${value}`))
    .join('');
  if (Buffer.byteLength(argv + env) > COMMAND_BYTES) {
    throw new RangeError(`command ${index} of the guest is longer than ${COMMAND_BYTES} bytes`);
  }
  const folder = `commands/${index}`;
  return [
    file(`${folder}/argv`, argv),
    file(`${folder}/env`, env),
    file(`${folder}/user`, of.user),
    file(`${folder}/cwd`, of.cwd),
  ];
}

function ended(word: string): string {
  if (word.includes('\0')) throw new RangeError(`a word of a command has a NUL: ${JSON.stringify(word)}`);
  return `${word}\0`;
}

function file(name: string, content: string): CpioEntry {
  return { path: `slipway/${name}`, mode: 0o600, content };
}
