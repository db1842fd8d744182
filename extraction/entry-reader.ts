import type { Entry, FileEntry } from './entries.ts';
import type { Extent, ListLine } from './list-lines.ts';
import { nameParts, targetText } from './names.ts';
import { Outline } from './outline.ts';
import { RuleBroken, rejection } from './rule-broken.ts';

/** Bytes of the unit in which a list counts. */
export const UNIT = 512;
/** As many as ext4 lets a file have. */
const LINKS = 65_000;

export interface ListLimits {
  /** Bytes of all files together, holes included, hard links counted once. */
  bytes: number;
  /** Entries of every kind. */
  files: number;
  /** Bytes of the devices that extents lie on. */
  disk: number;
  swap: number;
}

type Named = Extract<ListLine, { name: Buffer }>;

/** Puts lines together to entries, checking each rule as it goes. Throws ArtifactsRejected at the first broken one. */
export class EntryReader {
  readonly entries: Entry[] = [];
  /** Sum of the sizes of all files. */
  bytes = 0;
  /** For when all names are known: throws where a symlink leads outside. */
  readonly checks: (() => void)[] = [];

  readonly #limits: ListLimits;
  readonly #outline = new Outline();
  readonly #files = new Map<string, { entry: FileEntry; links: number }>();
  /** The entry that the next lines can belong to: its line, its name, and what it still needs. */
  #current: { number: number; named: Named; file?: FileEntry; units: number } | undefined;

  constructor(limits: ListLimits) {
    this.#limits = limits;
  }

  /** @param number of the line, from 1; `next` the byte after it */
  add(line: ListLine, number: number, next: number): void {
    this.#checked(number, line, () => {
      if (line.kind === 'extent') return this.#extent(line.extent, next);
      if (line.kind === 'target') return this.#target(line.name);
      this.#complete();
      if (line.kind === 'special') throw new RuleBroken('is neither a file, a folder nor a link');
      if (this.entries.length >= this.#limits.files) {
        throw new RuleBroken(`is one too many: the limit is ${this.#limits.files} entries`);
      }
      this.#current = { number, named: line, units: 0 };
      if (line.kind === 'folder') this.#folder(line.name);
      if (line.kind === 'file') this.#file(line, next);
      if (line.kind === 'symlink' || line.kind === 'hard link') nameParts(line.name);
    });
  }

  /** After the last line. */
  end(): void {
    this.#complete();
  }

  #checked(number: number, line: ListLine, check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof RuleBroken)) throw error;
      const named = line.kind === 'extent' || line.kind === 'target' ? this.#current?.named : line;
      throw rejection(error, number, named?.name);
    }
  }

  /** The entry before has all that it needs. */
  #complete(): void {
    if (this.#current === undefined) return;
    const { named, number } = this.#current;
    if (named.kind === 'folder' || named.kind === 'file') return;
    throw rejection(new RuleBroken(`is a ${named.kind} without a target`), number, named.name);
  }

  #folder(name: Buffer): void {
    const parts = nameParts(name);
    this.#outline.addFolder(parts);
    this.entries.push({ kind: 'folder', path: parts.join('/') });
  }

  #file({ name, mode, size }: Extract<ListLine, { kind: 'file' }>, next: number): void {
    const parts = nameParts(name);
    this.#outline.addFile(parts);
    this.bytes += size;
    if (this.bytes > this.#limits.bytes) {
      throw new RuleBroken(`has ${size} bytes: all artifacts together exceed ${this.#limits.bytes} bytes`);
    }
    const executable = (mode & 0o111) !== 0;
    const path = parts.join('/');
    const entry: FileEntry = { kind: 'file', path, size, executable, extents: { from: next, to: next } };
    this.entries.push(entry);
    this.#files.set(path, { entry, links: 1 });
    if (this.#current !== undefined) this.#current.file = entry;
  }

  #extent({ device, start, count, at }: Extent, next: number): void {
    if (this.#current?.file === undefined) throw new RuleBroken('has an extent that belongs to no file');
    if (start + count > Math.floor(this.#limits[device] / UNIT)) {
      throw new RuleBroken(`has an extent beyond the end of the ${device}`);
    }
    if (at < this.#current.units) throw new RuleBroken('has extents that overlap or are out of order');
    this.#current.units = at + count;
    this.#current.file.extents.to = next;
  }

  #target(target: Buffer): void {
    const current = this.#current;
    if (current?.named.kind === 'symlink') this.#symlink(current.named.name, target, current.number);
    else if (current?.named.kind === 'hard link') this.#hardLink(current.named.name, target);
    else throw new RuleBroken('has a target but is no link');
    this.#current = undefined;
  }

  #symlink(name: Buffer, target: Buffer, number: number): void {
    const [parts, towards] = [nameParts(name), targetText(target)];
    const check = this.#outline.addSymlink(parts, towards);
    this.checks.push(() => {
      try {
        check();
      } catch (error) {
        throw error instanceof RuleBroken ? rejection(error, number, name) : error;
      }
    });
    this.entries.push({ kind: 'symlink', path: parts.join('/'), target: towards });
  }

  #hardLink(name: Buffer, target: Buffer): void {
    const parts = nameParts(name);
    const file = this.#files.get(nameParts(target).join('/'));
    if (file === undefined) throw new RuleBroken('is a hard link to what was not listed as a file before it');
    file.links += 1;
    if (file.links > LINKS)
      throw new RuleBroken(`is one hard link too many: the limit is ${LINKS} for a file`);
    this.#outline.addFile(parts);
    this.entries.push({ kind: 'hard link', path: parts.join('/'), file: file.entry });
  }
}
