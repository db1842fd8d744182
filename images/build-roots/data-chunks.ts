import type { FileHandle } from 'node:fs/promises';
import { CommandFailed, run } from '../../host/run.ts';
import { CHUNK, eachChunk } from './each-chunk.ts';

/**
 * Prints the first and the last number of each run of chunks that have data, from lseek(2) with SEEK_DATA (3) and
 * SEEK_HOLE (4), which Node cannot call: holes are skipped by the filesystem, whatever their size.
 */
const SEEK = String.raw`
my ($chunk, $first, $last, $at) = (shift, undef, undef, 0);
while (defined(my $data = sysseek(STDIN, $at, 3))) {
  my $hole = sysseek(STDIN, $data, 4) or die "$!\n";
  my ($from, $to) = (int($data / $chunk), int(($hole - 1) / $chunk));
  if (defined $last && $from == $last + 1) { $last = $to }
  else { print "$first $last\n" if defined $last; ($first, $last) = ($from, $to) }
  $at = ($to + 1) * $chunk;
}
$! + 0 == 6 or die "$!\n";
print "$first $last\n" if defined $last;
`;

/**
 * The numbers of the chunks of a disk that may hold anything but zeros, ascending. Of a sparse file the filesystem says
 * so; a block device, and a file where nobody can say, is read.
 */
export async function dataChunks(disk: FileHandle, bytes: number, signal: AbortSignal): Promise<number[]> {
  if ((await disk.stat()).isFile()) {
    try {
      const { stdout } = await run(['perl', '-e', SEEK, String(CHUNK)], { stdin: disk.fd, signal });
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .flatMap((line) => {
          const [first = 0, last = 0] = line.split(' ').map(Number);
          return upTo(last - first + 1).map((at) => first + at);
        });
    } catch (error) {
      // A filesystem that knows no holes, or no perl: slower, and the same.
      if (!(error instanceof CommandFailed)) throw error;
    }
  }
  return readForData(disk, bytes, signal);
}

async function readForData(disk: FileHandle, bytes: number, signal: AbortSignal): Promise<number[]> {
  const found: number[] = [];
  await eachChunk({ disk, bytes, chunks: upTo(Math.ceil(bytes / CHUNK)), signal }, async (chunk, data) => {
    if (!isZero(data)) found.push(chunk);
  });
  return found.sort((a, b) => a - b);
}

const ZEROS = Buffer.alloc(CHUNK);

export function isZero(data: Buffer): boolean {
  return data.compare(ZEROS, 0, data.length) === 0;
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}
