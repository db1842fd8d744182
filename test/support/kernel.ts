import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../host/run.ts';

/** Where tests keep what is worth keeping between runs; git ignores it. */
export const TEST_CACHE = fileURLToPath(new URL('../../.slipway/cache/', import.meta.url));

/**
 * Path of the cloud kernel package (.deb) of this machine's own Debian suite. Fetched once by apt, with the machine's
 * sources but lists of its own, so that it does not depend on when the machine was last updated.
 */
export async function testKernelDeb(): Promise<string> {
  const folder = join(TEST_CACHE, 'test-kernel');
  await mkdir(folder, { recursive: true });
  const kept = (await readdir(folder)).find((name) => name.endsWith('.deb'));
  if (kept !== undefined) return join(folder, kept);
  const aside = await mkdtemp(join(TEST_CACHE, 'fetching-'));
  try {
    return await fetchKernel(aside, folder);
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

async function fetchKernel(aside: string, folder: string): Promise<string> {
  await mkdir(join(aside, 'lists/partial'), { recursive: true });
  const settings = [
    ['Dir::State::lists', join(aside, 'lists')],
    ['Dir::Cache::pkgcache', ''],
    ['Dir::Cache::srcpkgcache', ''],
    ['APT::Sandbox::User', 'root'],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  await run(['apt-get', ...settings, '-q', 'update']);
  const { stdout } = await run(['apt-cache', ...settings, 'depends', 'linux-image-cloud-amd64']);
  const name = /linux-image-[0-9]\S*-cloud-amd64/.exec(stdout)?.[0];
  if (name === undefined) throw new Error(`no kernel package in what apt says:\n${stdout}`);
  await run(['apt-get', ...settings, '-q', 'download', name], { cwd: aside });
  const deb = (await readdir(aside)).find((file) => file.endsWith('.deb'));
  if (deb === undefined) throw new Error(`apt-get download ${name} left no file`);
  await rename(join(aside, deb), join(folder, deb));
  return join(folder, deb);
}
