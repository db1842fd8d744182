import type { DatabaseFile } from './database.ts';
import { BUILDER } from './skeleton.ts';
import type { Tree } from './tree.ts';
import type { Unpacked } from './unpacked.ts';

/** Passwords are `*`: the package passwd moves them into the shadow files when it is configured. */
const LINES = {
  passwd: `${BUILDER.name}:*:${BUILDER.id}:${BUILDER.id}::${BUILDER.home}:/bin/sh\n`,
  group: `${BUILDER.name}:*:${BUILDER.id}:\n`,
} as const;

/** Where there is no package base-passwd. */
const ROOT = { passwd: 'root:*:0:0:root:/root:/bin/sh\n', group: 'root:*:0:\n' } as const;

/** The users that Debian begins with, as the package base-passwd has them, and the builder. */
export async function usersOf(
  tree: Tree,
  unpacked: readonly Unpacked[],
  signal: AbortSignal,
): Promise<DatabaseFile[]> {
  const basePasswd = unpacked.find(({ control }) => control.file.package === 'base-passwd');
  const fileOf = async (name: keyof typeof LINES): Promise<DatabaseFile> => {
    const path = `/usr/share/base-passwd/${name}.master`;
    const brought = basePasswd?.entries.some((entry) => entry.path === path && entry.member.kind === 'file');
    const text = brought ? await tree.run(['cat', path], { signal }) : ROOT[name];
    const content = Buffer.from(`${text}${text.endsWith('\n') ? '' : '\n'}${LINES[name]}`);
    return { path: `etc/${name}`, content, executable: false };
  };
  return [await fileOf('passwd'), await fileOf('group')];
}
