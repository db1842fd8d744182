import { linesOf, type PackageControl } from './package-control.ts';

/**
 * Who is interested in which triggers, as files of `triggers/` by name: `File` for those on paths (`<path> <package>`),
 * one named after it for each other trigger (`<package>`), with `/noawait` where nobody waits for it.
 */
export function interests(packages: readonly PackageControl[]): Map<string, string[]> {
  const files = new Map<string, string[]>();
  const add = (name: string, line: string) => files.set(name, [...(files.get(name) ?? []), line]);
  for (const control of packages) {
    for (const line of linesOf(control.members.get('triggers'))) {
      const [directive, name] = line.replace(/#.*/, '').trim().split(/\s+/);
      if (directive === undefined || name === undefined || !directive.startsWith('interest')) continue;
      const who = `${control.id}${directive === 'interest-noawait' ? '/noawait' : ''}`;
      if (name.startsWith('/')) add('File', `${name} ${who}`);
      else if (/^[A-Za-z0-9+_-][A-Za-z0-9+._-]*$/.test(name)) add(name, who);
    }
  }
  return files;
}
