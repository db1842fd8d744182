import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../host/run.ts';

/**
 * All that a tree is but times, a line an entry by path: type, mode, owner, size, content, where links lead, device
 * numbers, other names of the same file, extended attributes (capabilities and ACLs are such).
 * @param normalize what counts of a file's content; undefined: all
 */
export async function treeFacts(
  tree: string,
  normalize: (path: string, content: Buffer) => string | undefined,
): Promise<Map<string, string>> {
  const facts = new Map<string, string>();
  const first = new Map<number, string>();
  const attributes = await attributesOf(tree);
  const visit = (path: string): void => {
    const stat = lstatSync(join(tree, path));
    const one = [stat.mode.toString(8), `${stat.uid}:${stat.gid}`];
    if (stat.isSymbolicLink()) one.push(readlinkSync(join(tree, path)));
    if (stat.isBlockDevice() || stat.isCharacterDevice()) one.push(`device ${stat.rdev}`);
    if (stat.isFile()) {
      const content = readFileSync(join(tree, path));
      const counts = normalize(path, content);
      one.push(`${counts?.length ?? stat.size} bytes`, sha256(counts ?? content));
      const other = first.get(stat.ino);
      if (other === undefined) first.set(stat.ino, path);
      else one.push(`the same as ${other}`);
    }
    facts.set(path, [...one, ...(attributes.get(path) ?? [])].join(' '));
    if (!stat.isDirectory()) return;
    for (const name of readdirSync(join(tree, path)).sort()) visit(join(path, name));
  };
  visit('/');
  return facts;
}

function sha256(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** `# file: <path>`, then `<name>=<value>` a line, then an empty line. */
async function attributesOf(tree: string): Promise<Map<string, string[]>> {
  const argv = ['getfattr', '--recursive', '--physical', '--no-dereference', '--match=-', '--dump'] as const;
  const { stdout } = await run([...argv, '--encoding=hex', '--absolute-names', '--', tree]);
  const blocks = stdout.split('\n\n').filter((block) => block !== '');
  return new Map(
    blocks.map((block) => {
      const [file = '', ...lines] = block.split('\n');
      return [file.replace('# file: ', '').slice(tree.length) || '/', lines.filter((line) => line !== '')];
    }),
  );
}

/** How two trees differ: `<path>: <one> | <other>`, for each path that `isExpected` does not know. */
export function differences(
  one: ReadonlyMap<string, string>,
  other: ReadonlyMap<string, string>,
  isExpected: (path: string) => boolean,
): string[] {
  const paths = [...new Set([...one.keys(), ...other.keys()])].sort();
  return paths
    .filter((path) => one.get(path) !== other.get(path) && !isExpected(path))
    .map((path) => `${path}: ${one.get(path) ?? 'absent'} | ${other.get(path) ?? 'absent'}`);
}
