import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { MonitorCommand } from '../folder.ts';
import { type MonitorState, QmpReceiver } from './qmp.ts';

/** Characters kept of what the monitor prints as errors. */
const SAID = 4096;

/** Exit codes of the programs that only start another one: that could not be run. */
const NEVER_RAN = [125, 126, 127];

/** A running QEMU (or what stands in for it), spoken to over QMP on its standard input and output. */
export class Monitor {
  readonly #child: ChildProcess;
  readonly #qmp = new QmpReceiver();
  readonly #protocol: NonNullable<MonitorCommand['protocol']>;
  /** Settles when it is gone and everything that it said was read. */
  readonly gone: Promise<void>;
  #said = '';
  #isGone = false;

  /** @param files become the descriptors 3, 4, … of the monitor and are closed here
   *  @param changed called whenever there may be something new to judge */
  constructor(command: MonitorCommand, files: readonly number[], changed: () => void) {
    const [program, ...args] = command.argv;
    this.#child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe', ...files],
      env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
      cwd: '/',
    });
    for (const file of files) closeSync(file);
    const { protocol = 'qmp' } = command;
    this.#protocol = protocol;
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      // Without QMP it may well be the guest's console: no word of that drives anything.
      if (protocol !== 'qmp') this.#hear(text);
      else if (this.#qmp.take(text)) changed();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    // A monitor that ends before it read this is found by its exit.
    this.#child.stdin?.on('error', () => {});
    if (protocol === 'qmp') this.#child.stdin?.write('{"execute":"qmp_capabilities"}\n');
    else this.#child.on('exit', (code) => this.#qmp.assume(meaning(code, command)));
    this.#child.on('error', (error) => this.#hear(error.message));
    this.gone = new Promise((resolve) => {
      this.#child.on('close', () => {
        this.#isGone = true;
        resolve();
        changed();
      });
    });
  }

  get state(): Readonly<MonitorState> {
    return this.#qmp.state;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** For messages. */
  get name(): string {
    return this.#protocol === 'qmp' ? 'QEMU' : 'the monitor program';
  }

  /** The end of what it printed as errors. */
  get said(): string {
    return this.#said.trim();
  }

  /** How it ended: `exit code 1`, `SIGSEGV`. */
  get ending(): string {
    return this.#child.signalCode ?? `exit code ${this.#child.exitCode}`;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #hear(text: string): void {
    this.#said = (this.#said + text).slice(-SAID);
  }
}

/** What an exit code says of a guest: powered off where it is 0. Absent: killed. */
function meaning(code: number | null, { noRoomCode }: MonitorCommand): Parameters<QmpReceiver['assume']>[0] {
  const noRoom = { ioError: { device: 'disk', noSpace: true, reason: 'no room' } };
  return {
    greeted: code === null || !NEVER_RAN.includes(code),
    poweredOff: code === 0,
    ...(code !== null && code === noRoomCode ? noRoom : {}),
  };
}
