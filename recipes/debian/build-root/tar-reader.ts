import { headerSum, isZero, readNumber, readText, TAR_BLOCK } from './tar-format.ts';

/** What a member of a tar archive is. */
export type TarKind = 'file' | 'hard link' | 'link' | 'folder' | 'pipe';

/** A member of a tar archive, as its header says. */
export interface TarMember {
  /** As the archive has it (`./usr/bin/hello`), a character a byte. */
  name: string;
  kind: TarKind;
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of content. Of anything but a file: 0. */
  size: number;
  /** Seconds since 1970. */
  modified: number;
  /** Where a link leads, or of which member a hard link is another name; a character a byte. */
  target: string;
}

/** What is done with a member. */
export interface TarUse {
  /** Whether its bytes, header and all, are passed on. */
  pass: boolean;
  /** Gets its content piece by piece. */
  content?: ((bytes: Buffer) => void) | undefined;
}

/**
 * Called for each member before its content.
 * @param archive of several that follow each other: 0 is the first
 */
export type TarVisitor = (member: TarMember, archive: number) => TarUse;

/** Those that packages have. dpkg takes devices too, but no package may bring one (Debian Policy 10.6). */
const KINDS: Readonly<Record<string, TarKind>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hard link',
  '2': 'link',
  '5': 'folder',
  '6': 'pipe',
};

/** No path comes near. */
const LONGEST_NAME = 1 << 20;

/**
 * Reads tar archives as dpkg takes them (ustar, and GNU's long names) out of a stream of pieces, and says which bytes are
 * to be passed on to whoever unpacks them: whole members without an archive's end, so that archives can follow each
 * other. What is unusual is refused: two programs that read the same must not read different things.
 */
export class TarReader {
  readonly #visit: TarVisitor;
  /** The beginning of a block that is not whole yet. */
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes of the current member that are to come: of its content, and of what fills its last block. */
  #content = 0;
  #filling = 0;
  #use: TarUse = { pass: false };
  /** A long name that is being read, and those that wait for their member. */
  #reading: { type: 'L' | 'K'; pieces: Buffer[] } | undefined;
  #long: { L?: string; K?: string } = {};
  /** Blocks of long names: passed on with their member, or not at all. */
  #held: Buffer[] = [];
  #archive = 0;
  #ended = false;

  constructor(visit: TarVisitor) {
    this.#visit = visit;
  }

  /**
   * @returns what is to be passed on of this piece, in order
   * @throws SyntaxError where it is no such archive; whatever the visitor throws
   */
  read(piece: Buffer): Buffer[] {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    const pass = new Slices(bytes);
    let at = 0;
    while (at < bytes.length) {
      if (this.#content + this.#filling > 0) {
        at = this.#readContent(bytes, at, pass);
        continue;
      }
      if (bytes.length - at < TAR_BLOCK) break;
      this.#readBlock(bytes.subarray(at, at + TAR_BLOCK), at, pass);
      at += TAR_BLOCK;
    }
    this.#rest = bytes.subarray(at);
    return pass.list;
  }

  /** All of an archive has come. @throws SyntaxError where it is cut off */
  end(): void {
    const open = this.#content + this.#filling + this.#rest.length + this.#held.length;
    if (open > 0 || !this.#ended) throw new SyntaxError('an archive in it is cut off');
  }

  #readContent(bytes: Buffer, from: number, pass: Slices): number {
    const content = bytes.subarray(from, from + this.#content);
    const filling = Math.min(this.#filling, bytes.length - from - content.length);
    const to = from + content.length + filling;
    this.#content -= content.length;
    this.#filling -= filling;
    if (this.#reading === undefined) {
      if (content.length > 0) this.#use.content?.(content);
      if (this.#use.pass) pass.add(from, to);
      return to;
    }
    this.#reading.pieces.push(content);
    this.#held.push(bytes.subarray(from, to));
    if (this.#content + this.#filling === 0) {
      this.#long[this.#reading.type] = readText(Buffer.concat(this.#reading.pieces));
      this.#reading = undefined;
    }
    return to;
  }

  #readBlock(block: Buffer, at: number, pass: Slices): void {
    if (isZero(block)) {
      if (this.#held.length > 0) throw new SyntaxError('a long name in it belongs to nothing');
      this.#ended = true;
      return;
    }
    if (headerSum(block) !== readNumber(block, 148, 8))
      throw new SyntaxError('there is no tar archive where one should be');
    if (this.#ended) this.#archive += 1;
    this.#ended = false;
    const type = String.fromCharCode(block[156] ?? 0);
    const size = readNumber(block, 124, 12);
    if (type === 'L' || type === 'K') this.#beginLong(block, type, size);
    else this.#beginMember(block, at, type, size, pass);
    this.#expect(size);
  }

  #beginMember(block: Buffer, at: number, type: string, size: number, pass: Slices): void {
    const member = this.#member(block, type, size);
    this.#use = this.#visit(member, this.#archive);
    if (this.#use.pass) {
      pass.list.push(...this.#held);
      pass.add(at, at + TAR_BLOCK);
    }
    this.#held = [];
    this.#long = {};
  }

  #beginLong(block: Buffer, type: 'L' | 'K', size: number): void {
    if (size < 1 || size > LONGEST_NAME) throw new SyntaxError('a name in it is too long');
    this.#reading = { type, pieces: [] };
    this.#held.push(block);
  }

  #member(block: Buffer, type: string, size: number): TarMember {
    const kind = KINDS[type];
    const name = this.#long.L ?? shortName(block);
    const said = JSON.stringify(name);
    if (kind === undefined) throw new SyntaxError(`${said} in it is ${strange(type)}`);
    if (kind !== 'file' && size !== 0) throw new SyntaxError(`${said} in it is a ${kind} with content`);
    if (name === '' || (kind === 'file' && name.endsWith('/')))
      throw new SyntaxError(`${said} in it is no name of a file`);
    return {
      ...{ name, kind, size },
      mode: readNumber(block, 100, 8) & 0o7777,
      uid: readNumber(block, 108, 8),
      gid: readNumber(block, 116, 8),
      modified: readNumber(block, 136, 12),
      target: this.#long.K ?? readText(block.subarray(157, 257)),
    };
  }

  #expect(size: number): void {
    this.#content = size;
    this.#filling = (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
  }
}

/** Parts of a piece; neighbours are one. */
class Slices {
  readonly list: Buffer[] = [];
  readonly #bytes: Buffer;
  #from = 0;
  #to = -1;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  add(from: number, to: number): void {
    if (from === this.#to) this.list.pop();
    else this.#from = from;
    this.#to = to;
    this.list.push(this.#bytes.subarray(this.#from, to));
  }
}

/** In ustar a longer name has its first folders in a field of their own; GNU has other things there. */
function shortName(block: Buffer): string {
  const name = readText(block.subarray(0, 100));
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isPosix ? readText(block.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function strange(type: string): string {
  if (type === '3' || type === '4') return 'a device, which no package may bring';
  return `of the type ${JSON.stringify(type)}, which dpkg does not take`;
}
