import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';

/** Prints the list of a mounted folder as a guest writes it (guest/PROTOCOL.md): `node list-tree.ts <folder>`. */
function main(folder: string): void {
  const first = new Map<number, string>();
  const visit = (name: string): string => {
    const path = `${folder}/${name}`;
    const stat = lstatSync(path);
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isSymbolicLink()) return `S ${name}\nT ${readlinkSync(path)}\n`;
    if (stat.isDirectory()) return `D ${mode} ${name}\n${children(`${name}/`)}`;
    const earlier = first.get(stat.ino);
    if (earlier !== undefined) return `H ${name}\nT ${earlier}\n`;
    first.set(stat.ino, name);
    return `F ${mode} ${stat.size} ${name}\n${extents(path)}`;
  };
  const children = (prefix: string): string =>
    readdirSync(`${folder}/${prefix}`)
      .sort()
      .map((name) => visit(`${prefix}${name}`))
      .join('');
  process.stdout.write(children(''));
}

/** `   0:        8..      15:      9000..      9007:      8:             last,eof` */
const EXTENT = /^ *\d+: *(\d+)\.\. *\d+: *(\d+)\.\. *\d+: *(\d+):(?: *\d+:)? *(.*)$/gm;

function extents(path: string): string {
  const said = execFileSync('filefrag', ['-b512', '-v', '-e', path], { encoding: 'utf8' });
  return [...said.matchAll(EXTENT)]
    .filter(([, , , , flags]) => !flags?.includes('unwritten'))
    .map(([, at, start, count]) => `E disk ${start} ${count} ${at}\n`)
    .join('');
}

main(process.argv[2] ?? '.');
