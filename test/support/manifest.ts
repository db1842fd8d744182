import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Prints all that a tree is, a line an entry, sorted, times in seconds: `node manifest.ts <folder>`. lost+found is left out. */
function main(folder: string): void {
  const lines: string[] = [];
  const first = new Map<bigint, string>();
  const visit = (name: string): void => {
    const path = Buffer.from(`${folder}/${name}`, 'latin1');
    const stat = lstatSync(path, { bigint: true });
    const link = first.get(stat.ino) ?? name;
    first.set(stat.ino, link);
    const content = stat.isFile()
      ? createHash('sha256').update(readFileSync(path)).digest('hex')
      : stat.isSymbolicLink()
        ? readlinkSync(path, 'latin1')
        : undefined;
    lines.push(
      JSON.stringify({
        name,
        mode: stat.mode.toString(8),
        owner: `${stat.uid}:${stat.gid}`,
        size: stat.isDirectory() ? undefined : `${stat.size}`,
        device: stat.isBlockDevice() || stat.isCharacterDevice() ? `${stat.rdev}` : undefined,
        modified: `${stat.mtimeNs / 1_000_000_000n}`,
        links: stat.isDirectory() ? undefined : `${stat.nlink}`,
        sameAs: link,
        content,
      }),
    );
    if (stat.isDirectory()) children(name);
  };
  const children = (name: string): void => {
    const names = readdirSync(Buffer.from(`${folder}/${name}`, 'latin1'), 'latin1').sort();
    for (const child of names) {
      if (name !== '' || child !== 'lost+found') visit(name === '' ? child : `${name}/${child}`);
    }
  };
  children('');
  process.stdout.write(`${lines.join('\n')}\n`);
}

main(process.argv[2] ?? '.');
