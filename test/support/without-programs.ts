import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../host/run.ts';
import { temporaryFolder } from './temporary-folder.ts';

/**
 * Stands links in the place of a folder of programs, but for those that are to be missing, and puts a program that is
 * loaded dynamically, or only the first page of the program, in the place of others. In a mount namespace of its own, which ends with the command.
 */
const SCRIPT = `
at=$1 missing=$2 dynamic=$3 broken=$4; shift 4
for folder in bin sbin; do
  mkdir "$at/$folder" "$at/real-$folder"
  mount --bind "/usr/$folder" "$at/real-$folder"
  cp -s "$at/real-$folder"/* "$at/$folder" 2>/dev/null || true
  for name in $missing; do rm -f "$at/$folder/$name"; done
  for name in $dynamic; do [ ! -e "$at/$folder/$name" ] || ln -sf "$at/real-bin/env" "$at/$folder/$name"; done
  for name in $broken; do
    [ ! -e "$at/$folder/$name" ] || { rm "$at/$folder/$name"; head -c 4096 "$at/real-$folder/$name" >"$at/$folder/$name"; chmod 755 "$at/$folder/$name"; }
  done
done
mount --bind "$at/sbin" /usr/sbin
mount --bind "$at/bin" /usr/bin
exec "$@"`;

/** Runs a command on this machine as if programs were not installed. */
export async function runWithout(
  {
    missing = [],
    dynamic = [],
    broken = [],
  }: { missing?: readonly string[]; dynamic?: readonly string[]; broken?: readonly string[] },
  command: readonly string[],
  env: Record<string, string> = {},
): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  const folder = await temporaryFolder();
  // Programs are also run by users who are not root: that of apt, that of QEMU.
  await chmod(folder, 0o755);
  const at = join(folder, 'programs');
  await mkdir(at);
  const namespace = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', SCRIPT, 'sh'] as const;
  return run([...namespace, at, missing.join(' '), dynamic.join(' '), broken.join(' '), ...command], {
    accept: [1, 2, 3],
    env,
    timeout: 120_000,
  });
}
