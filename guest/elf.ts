/** What the loader of a 64-bit ELF program or library will look for. */
export interface ElfNeeds {
  /** Absolute path of the loader; absent in a static program and in a library. */
  interpreter?: string;
  /** Names of shared libraries. */
  libraries: string[];
}

interface Segment {
  type: number;
  offset: number;
  address: number;
  size: number;
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

/**
 * Reads it from the file's bytes: a program of another architecture cannot be asked.
 * @throws RangeError where it is no 64-bit little-endian ELF file, or cut short
 */
export function elfNeeds(file: Buffer): ElfNeeds {
  if (file.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') throw new RangeError('no 64-bit program');
  const segments = segmentsOf(file);
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  const libraries = dynamicLibraries(file, segments);
  return interpreter === undefined
    ? { libraries }
    : { interpreter: text(file, interpreter.offset), libraries };
}

function segmentsOf(file: Buffer): Segment[] {
  const start = number(file, 32);
  const [size, count] = [file.readUInt16LE(54), file.readUInt16LE(56)];
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size;
    return {
      type: file.readUInt32LE(at),
      offset: number(file, at + 8),
      address: number(file, at + 16),
      size: number(file, at + 32),
    };
  });
}

function dynamicLibraries(file: Buffer, segments: readonly Segment[]): string[] {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return [];
  const names: number[] = [];
  let strings: number | undefined;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const tag = number(file, at);
    if (tag === DT_NULL) break;
    if (tag === DT_NEEDED) names.push(number(file, at + 8));
    if (tag === DT_STRTAB) strings = offsetOf(number(file, at + 8), segments);
  }
  return strings === undefined ? [] : names.map((name) => text(file, strings + name));
}

/** Where in the file lies what is loaded to an address. */
function offsetOf(address: number, segments: readonly Segment[]): number {
  const holding = segments.find(
    (each) => each.type === PT_LOAD && address >= each.address && address < each.address + each.size,
  );
  if (holding === undefined) throw new RangeError('a table that no segment holds');
  return address - holding.address + holding.offset;
}

function text(file: Buffer, from: number): string {
  const to = file.indexOf(0, from);
  if (to === -1) throw new RangeError('a name without end');
  return file.toString('latin1', from, to);
}

function number(file: Buffer, at: number): number {
  return Number(file.readBigUInt64LE(at));
}
