import { RuleBroken } from './rule-broken.ts';

/** As Linux: more symlinks on the way to one name are ELOOP. */
const LINKS_ON_THE_WAY = 40;
const TOO_MANY_LINKS = `is a symlink that leads through more than ${LINKS_ON_THE_WAY} others`;

type Content =
  | { kind: 'folder'; children: Map<string, Node> }
  | { kind: 'file' }
  | { kind: 'symlink'; target: string; end?: Place | 'being resolved' };

interface Node {
  /** Absent in the output folder itself. */
  parent?: Node;
  content: Content;
}

/** Where a target leads: a listed node, or so many parts below one, where nothing is listed. */
interface Place {
  node: Node;
  below: number;
  /** Symlinks followed to get there. */
  links: number;
}

/** The names of a list as a tree: what lies in what, and where symlinks lead, without a filesystem. */
export class Outline {
  readonly #root: Node = { content: { kind: 'folder', children: new Map() } };

  addFolder(parts: readonly string[]): void {
    this.#add(parts, { kind: 'folder', children: new Map() });
  }

  addFile(parts: readonly string[]): void {
    this.#add(parts, { kind: 'file' });
  }

  /** @returns checks, once all names are there, that it leads nowhere outside; throws RuleBroken else */
  addSymlink(parts: readonly string[], target: string): () => void {
    const node = this.#add(parts, { kind: 'symlink', target });
    return () => void this.#follow(node);
  }

  #add(parts: readonly string[], content: Content): Node {
    let folder = this.#root;
    for (const part of parts.slice(0, -1)) {
      const next = childOf(folder, part);
      if (next?.content.kind !== 'folder')
        throw new RuleBroken('lies in what was not listed as a folder before it');
      folder = next;
    }
    const name = parts.at(-1) as string;
    if (childOf(folder, name) !== undefined) throw new RuleBroken('is listed twice');
    const node: Node = { parent: folder, content };
    if (folder.content.kind === 'folder') folder.content.children.set(name, node);
    return node;
  }

  /** Each symlink is resolved once and remembered: a list of many that lead through each other stays cheap. */
  #follow(link: Node, depth = 1): Place {
    if (link.content.kind !== 'symlink') return { node: link, below: 0, links: 0 };
    if (depth > LINKS_ON_THE_WAY) throw new RuleBroken(TOO_MANY_LINKS);
    if (link.content.end === 'being resolved') throw new RuleBroken('is a symlink that leads to itself');
    if (link.content.end !== undefined) return link.content.end;
    link.content.end = 'being resolved';
    let place: Place = { node: link.parent ?? this.#root, below: 0, links: 1 };
    for (const part of link.content.target.split('/')) {
      place = this.#step(place, part, depth);
      if (place.links > LINKS_ON_THE_WAY) throw new RuleBroken(TOO_MANY_LINKS);
    }
    link.content.end = place;
    return place;
  }

  #step(place: Place, part: string, depth: number): Place {
    if (part === '' || part === '.') return place;
    if (part === '..') {
      if (place.below > 0) return { ...place, below: place.below - 1 };
      if (place.node.parent === undefined)
        throw new RuleBroken('is a symlink that leads out of the output folder');
      return { ...place, node: place.node.parent };
    }
    const next = place.below > 0 ? undefined : childOf(place.node, part);
    if (next === undefined) return { ...place, below: place.below + 1 };
    const end = this.#follow(next, depth + 1);
    return { ...end, links: place.links + end.links };
  }
}

function childOf(node: Node, name: string): Node | undefined {
  return node.content.kind === 'folder' ? node.content.children.get(name) : undefined;
}
