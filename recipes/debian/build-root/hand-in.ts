import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepContext } from '../../../host/progress.ts';
import { asScratchFull } from '../../../host/scratch.ts';
import { readParts } from './deb-file.ts';
import { type DebPart, debParts } from './deb-parts.ts';
import type { PackageInput } from './package-control.ts';
import { ready } from './package-queue.ts';
import { inParallel } from './parallel.ts';
import { asFailure } from './unpack-package.ts';

/** A package that dpkg itself unpacks in the guest: its file here, and how it is named in DEFERRED_PACKAGES. */
export interface HandedIn {
  path: string;
  name: string;
}

/** How a package that dpkg itself unpacks is named in the guest. */
export function handInName({ package: name, architecture }: PackageInput): string {
  return `${name}_${architecture}.deb`;
}

/**
 * Writes packages for dpkg in the guest, their archives decompressed: that costs next to nothing here, and an emulated
 * guest many times as much. To dpkg they are the same packages.
 * @param folder an existing one that only we write to; about five times the room of the packages
 * @throws SlipwayFailure InputRejected, ScratchFull, HostUnfit; the signal's reason
 */
export async function plainPackages(
  packages: readonly PackageInput[],
  folder: string,
  { signal, report }: StepContext,
): Promise<HandedIn[]> {
  let done = 0;
  return inParallel(packages, signal, async (file, stop) => {
    const { path } = await ready(file, stop);
    const plain = { path: join(folder, handInName(file)), name: handInName(file) };
    await writePlain(path, plain.path, stop).catch((error) => {
      throw asScratchFull(asFailure(file, error), folder);
    });
    done += 1;
    report({ what: file.package, done, total: packages.length, unit: 'packages' });
    return plain;
  });
}

/** The same package with its archives as they are (deb(5)). */
async function writePlain(path: string, to: string, signal: AbortSignal): Promise<void> {
  const [control, data] = await debParts(path);
  const file = await open(to, 'wx', 0o600);
  try {
    await file.write(`!<arch>\n${memberHeader('debian-binary', 4)}2.0\n`);
    await writeMember(file, 'control.tar', path, control, signal);
    await writeMember(file, 'data.tar', path, data, signal);
  } finally {
    await file.close();
  }
}

async function writeMember(file: FileHandle, name: string, path: string, part: DebPart, signal: AbortSignal) {
  const { size: at } = await file.stat();
  let size = 0;
  // How long it becomes is known afterwards.
  await file.write(memberHeader(name, 0), at);
  const write = async (piece: Buffer) => {
    const position = at + HEADER + size;
    size += piece.length;
    await file.write(piece, 0, piece.length, position);
  };
  await readParts(path, [part], write, signal);
  await file.write(memberHeader(name, size), at);
  if (size % 2 === 1) await file.write('\n', at + HEADER + size);
}

const HEADER = 60;

function memberHeader(name: string, size: number): string {
  const field = (text: string, width: number) => text.padEnd(width);
  const owner = `${field('0', 12)}${field('0', 6)}${field('0', 6)}${field('100644', 8)}`;
  return `${field(name, 16)}${owner}${field(`${size}`, 10)}\`\n`;
}
