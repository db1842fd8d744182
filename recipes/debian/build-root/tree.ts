import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { CommandFailed, run } from '../../../host/run.ts';
import { SlipwayFailure } from '../../../schema/failures.ts';
import { Extractor } from './extractor.ts';

/** What busybox needs to unpack with owners and setuid modes; not among it: mknod, so that device nodes are refused. */
const CAPABILITIES = '-all,+chown,+dac_override,+fowner,+fsetid,+sys_chroot';

/** 24 hours: it may wait for downloads, and the caller's signal bounds it anyway. */
const TIME_LIMIT = 24 * 3600 * 1000;

/**
 * A folder that becomes the root of a guest, and from the first unpacked package on must not be trusted: any folder in
 * it may be a link to a folder of the host. So whatever reads or writes in it runs with it as its root, where the kernel
 * keeps such a link inside: a static busybox in a folder that no package can name.
 */
export class Tree implements AsyncDisposable {
  readonly path: string;
  readonly #tools: string;

  private constructor(path: string, tools: string) {
    this.path = path;
    this.#tools = tools;
  }

  /**
   * @param path an existing folder into which no package was unpacked yet
   * @throws SlipwayFailure HostUnfit where there is no static busybox
   */
  static async open(path: string, signal: AbortSignal): Promise<Tree> {
    const tree = new Tree(path, `.${randomBytes(16).toString('hex')}`);
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
    options: { signal: AbortSignal; input?: Readable; timeout?: number },
  ): Promise<string> {
    const argv = [
      // Dies with us: what still unpacks for a worker that was killed would keep the disk mounted.
      ...['setpriv', '--pdeathsig', 'KILL', '--no-new-privs'],
      ...[`--bounding-set=${CAPABILITIES}`, '--inh-caps=-all'],
      ...['chroot', '.', `/${this.#tools}/busybox`, ...applet],
    ] as [string, ...string[]];
    // Entered before its rights are gone: with these nobody gets through /proc into a disk mounted in another namespace.
    const { stdout, stderr } = await run(argv, { ...options, cwd: this.path });
    // busybox goes on without a device node or the start of an odd name, and says so.
    if (stderr !== '') throw new CommandFailed(argv, 'complained', { exitCode: 0, stderr });
    return stdout;
  }

  /** Unpacks into the tree what is written to it: members of tar archives, with owners, modes and times. */
  extractor(signal: AbortSignal): Extractor {
    const argv = ['tar', '-x', '--numeric-owner', '-f', '-'] as const;
    return new Extractor((input) => this.run(argv, { signal, input, timeout: TIME_LIMIT }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(join(this.path, this.#tools), { recursive: true, force: true });
  }
}
