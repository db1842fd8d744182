import type { PackageControl, PackageInput } from './package-control.ts';
import { MERGED } from './skeleton.ts';
import { type Entry, placeOf } from './unpacked.ts';

/** What packages unpacked at the same time would leave in a tree depends on which comes first. */
export class OrderMatters extends Error {
  override readonly name = 'OrderMatters';
}

/** Brings the links that others ship as folders (/var/run), so it comes before all of them. */
export function isBaseFiles(file: PackageInput): boolean {
  return file.package === 'base-files';
}

/** Knows what lies where in a tree, and says which entries of a package are unpacked into it. */
export class Layout {
  readonly #inOrder: boolean;
  readonly #folders = new Set<string>();
  /** Links by place; true where they were there before any package that ships the same as a folder. */
  readonly #links = new Map<string, boolean>(MERGED.map((name) => [`/${name}`, true]));
  readonly #owners = new Map<string, PackageInput>();

  /** @param inOrder packages come one after the other, as they would come to dpkg */
  constructor(inOrder: boolean) {
    this.#inOrder = inOrder;
  }

  /**
   * Whether an entry is unpacked. Not what lies there already: of a folder dpkg leaves the first one's mode, and whose a
   * file is will be known when all have come.
   * @throws OrderMatters
   */
  takes(entry: Entry, { file }: PackageControl): boolean {
    const place = placeOf(entry.path);
    if (entry.member.kind === 'folder') return this.#takesFolder(place);
    const linked = entry.member.kind === 'link';
    if (linked && this.#folders.has(place)) return this.#asDpkg(false);
    const owner = this.#owners.get(place);
    if (owner !== undefined && owner !== file && !this.#inOrder) return false;
    this.#refuseLinkTo(entry, file);
    if (linked) this.#links.set(place, isBaseFiles(file));
    this.#owners.set(place, file);
    return true;
  }

  /** The package whose file was unpacked there. */
  ownerOf(path: string): PackageInput | undefined {
    return this.#owners.get(placeOf(path));
  }

  /** Whether a package brought a link that stands where this is. */
  isLink(path: string): boolean {
    return this.#links.has(placeOf(path));
  }

  #takesFolder(place: string): boolean {
    const link = this.#links.get(place);
    if (link !== undefined) return link ? false : this.#asDpkg(false);
    this.#folders.add(place);
    return true;
  }

  /** A second name of a file that was left out would be one of the other package's file. */
  #refuseLinkTo({ member }: Entry, file: PackageInput): void {
    if (member.kind !== 'hard link') return;
    const target = this.ownerOf(`/${member.target.replace(/^\.?\//, '')}`);
    if (target !== undefined && target !== file) this.#asDpkg(true);
  }

  #asDpkg(answer: boolean): boolean {
    if (!this.#inOrder) throw new OrderMatters();
    return answer;
  }
}
