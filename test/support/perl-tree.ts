import { cp, mkdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../../host/run.ts';

/** Puts the host's perl with its libraries and modules into a build root: whoever has it can make any system call. */
export async function addPerl(tree: string): Promise<void> {
  const { stdout } = await run(['ldd', '/usr/bin/perl']);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
  const { stdout: folders } = await run([
    'perl',
    '-e',
    'print join "\n", grep { m{^/usr/lib/.*-base$} } @INC',
  ]);
  for (const path of ['/usr/bin/perl', ...libraries, ...folders.split('\n').filter(Boolean)]) {
    const into = join(tree, path);
    await mkdir(dirname(into), { recursive: true });
    await cp(await realpath(path), into, { recursive: true });
  }
}
