import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandFailed, run } from '../../../host/run.ts';
import { SlipwayFailure } from '../../../schema/failures.ts';

/** What busybox needs to unpack with owners and setuid modes; not among it: mknod, so that device nodes are refused. */
const CAPABILITIES = '-all,+chown,+dac_override,+fowner,+fsetid,+sys_chroot';

/**
 * A folder that becomes the root of a guest, and from the first unpacked package on must not be trusted: any folder in
 * it may be a link to a folder of the host. So whatever reads or writes in it runs with it as its root, where the kernel
 * keeps such a link inside: a static busybox in a folder that no package can name.
 */
export class Tree implements AsyncDisposable {
  readonly path: string;
  readonly #scratch: string;
  readonly #tools: string;

  private constructor(path: string, scratch: string, tools: string) {
    this.path = path;
    this.#scratch = scratch;
    this.#tools = tools;
  }

  /**
   * @param path an existing folder into which no package was unpacked yet
   * @param scratch an existing folder outside of it
   * @throws SlipwayFailure HostUnfit where there is no static busybox
   */
  static async open(path: string, scratch: string, signal: AbortSignal): Promise<Tree> {
    const tree = new Tree(path, scratch, `.${randomBytes(16).toString('hex')}`);
    await mkdir(join(path, tree.#tools), { mode: 0o700 });
    try {
      await copyFile('/bin/busybox', join(path, tree.#tools, 'busybox'));
      await tree.run(['true'], { signal });
    } catch (error) {
      await tree[Symbol.asyncDispose]();
      if (signal.aborted) throw error;
      throw new SlipwayFailure('HostUnfit', 'packages cannot be unpacked: there is no static /bin/busybox', {
        advice: 'Install the Debian package busybox-static.',
        cause: error,
      });
    }
    return tree;
  }

  /**
   * Runs a busybox applet with the tree as its root folder; returns its standard output.
   * @throws CommandFailed also where it complains
   */
  async run(
    applet: readonly [string, ...string[]],
    options: { signal: AbortSignal; stdin?: number; input?: string },
  ): Promise<string> {
    const argv = [
      // Dies with us: what still unpacks for a worker that was killed would keep the disk mounted.
      ...['setpriv', '--pdeathsig', 'KILL', '--no-new-privs'],
      ...[`--bounding-set=${CAPABILITIES}`, '--inh-caps=-all'],
      ...['chroot', '.', `/${this.#tools}/busybox`, ...applet],
    ] as [string, ...string[]];
    // Entered before its rights are gone: with these nobody gets through /proc into a disk mounted in another namespace.
    const { stdout, stderr } = await run(argv, { ...options, cwd: this.path, maxBuffer: 100_000_000 });
    // busybox goes on without a device node or the start of an odd name, and says so.
    if (stderr !== '') throw new CommandFailed(argv, 'complained', { exitCode: 0, stderr });
    return stdout;
  }

  /** Runs an applet over any number of paths of the tree. */
  async runOver(
    applet: readonly [string, ...string[]],
    paths: readonly string[],
    signal: AbortSignal,
  ): Promise<string> {
    if (paths.length === 0) return '';
    const input = paths.map((path) => `${path}\0`).join('');
    return this.run(['xargs', '-0', `/${this.#tools}/busybox`, ...applet], { signal, input });
  }

  /**
   * Unpacks the tar archive that a command writes, or only some of its members.
   * @returns names as the archive has them (`./usr/`), in its order
   * @throws CommandFailed of whichever of the two failed first
   */
  async unpack(
    producer: readonly [string, ...string[]],
    signal: AbortSignal,
    members: readonly string[] = [],
  ): Promise<string[]> {
    const fifo = join(this.#scratch, `pipe-${randomBytes(8).toString('hex')}`);
    await run(['mkfifo', '-m', '600', fifo], { signal });
    // Opened for both directions first: neither of the others waits for its peer then.
    const both = await open(fifo, 'r+');
    const read = await open(fifo, 'r');
    const write = await open(fifo, 'w');
    const producing = run(producer, { signal, stdout: { fd: write.fd } });
    const unpacking = this.run(['tar', '-x', '-v', '--numeric-owner', '-f', '-', ...members], {
      signal,
      stdin: read.fd,
    });
    // Before anything else is waited for: one that fails at once must not be left without a handler.
    const ends = Promise.allSettled([producing, unpacking]);
    await Promise.all([read.close(), write.close(), both.close(), rm(fifo)]);
    const [produced, unpacked] = await ends;
    // Who is cut off by the other one dies of SIGPIPE: then the other one says why.
    if (produced.status === 'rejected' && !isCutOff(produced.reason)) throw produced.reason;
    if (unpacked.status === 'rejected') throw unpacked.reason;
    if (produced.status === 'rejected') throw produced.reason;
    return unpacked.value.split('\n').filter((name) => name !== '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(join(this.path, this.#tools), { recursive: true, force: true });
  }
}

function isCutOff(error: unknown): boolean {
  return error instanceof CommandFailed && (error.code === 'SIGPIPE' || /broken pipe/i.test(error.stderr));
}
