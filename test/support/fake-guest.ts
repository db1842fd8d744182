import { fstatSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MONITOR_FDS } from '../../vm/supervisor/open-files.ts';
import type { GuestSpec } from '../../vm/vm.ts';
import type { FakeScenario } from './fake-vm.ts';
import { writeLetterBox } from './letter-box.ts';

/**
 * A real program that stands in for QEMU with a guest in it: `node fake-guest.ts <JSON of scenario and spec>`, started
 * by the real supervisor. Speaks the few words of QMP that matter, writes log, control records and letter box.
 */
type Spec = Pick<GuestSpec, 'phase' | 'nonce' | 'commands' | 'outputDirectory'>;

const { scenario, spec } = JSON.parse(process.argv[2] ?? '') as { scenario: FakeScenario; spec: Spec };
const began = performance.now();

function qmp(message: unknown): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}

function event(name: string, data: unknown): void {
  qmp({ event: name, data, timestamp: { seconds: 0, microseconds: 0 } });
}

function say(words: string): void {
  writeSync(MONITOR_FDS.control, `${words} at=${((performance.now() - began) / 1000).toFixed(2)}\n`);
}

function beat(): void {
  say('beat mem=51200 disk=10240 diskfree=4012340 swap=2048 rr=120 wr=14 rs=9000 ws=220');
}

/** What the kernel would do: the disk does not stop, the world does. */
async function forever(): Promise<never> {
  for (;;) await sleep(1 << 30);
}

function leave(reason: 'guest-shutdown' | 'guest-reset' | 'guest-panic'): never {
  event('SHUTDOWN', { guest: true, reason });
  process.exit(0);
}

/** Lets `milliseconds` pass, alive. */
async function live(milliseconds: number): Promise<void> {
  const until = performance.now() + milliseconds;
  for (let line = 0; performance.now() < until; line++) {
    beat();
    if (scenario.counts) writeSync(MONITOR_FDS.log, `${line}\n`);
    await sleep(Math.min(100, Math.max(0, until - performance.now())));
  }
}

/** Writes the contents and returns the list, PROTOCOL.md. */
function writeResults(): string {
  const folders = new Set<string>();
  let lines = '';
  // The middle of the disk: what is there does not matter to a fake. In the swap: behind the longest list.
  const unit = { disk: Math.floor(fstatSync(MONITOR_FDS.disk).size / 1024), swap: 8192 };
  for (const [name, { content, on = 'disk' }] of Object.entries(scenario.files ?? {}).sort()) {
    const parts = name.split('/');
    for (let depth = 1; depth < parts.length; depth++) folders.add(parts.slice(0, depth).join('/'));
    const bytes =
      typeof content === 'string' ? Buffer.from(content) : Buffer.alloc(content.bytes, 'slipway\n');
    const units = Math.ceil(bytes.length / 512);
    writeSync(MONITOR_FDS[on], bytes, 0, bytes.length, unit[on] * 512);
    lines += `F 644 ${bytes.length} ${name}\n${units === 0 ? '' : `E ${on} ${unit[on]} ${units} 0\n`}`;
    unit[on] += units;
  }
  return `${[...folders]
    .sort()
    .map((folder) => `D 755 ${folder}\n`)
    .join('')}${lines}`;
}

async function leaveLetter(result: string, exit: number): Promise<void> {
  const list = result === 'succeeded' && spec.outputDirectory !== undefined ? writeResults() : '';
  const command = result === 'failed' ? (scenario.command ?? 0) : Math.max(0, spec.commands.length - 1);
  const { phase, nonce } = spec;
  await writeLetterBox(`/proc/self/fd/${MONITOR_FDS.swap}`, { phase, nonce, result, command, exit, list });
}

async function boot(): Promise<void> {
  writeSync(MONITOR_FDS.console, 'Linux version 0.0-fake\n');
  qmp({ QMP: { version: { qemu: { major: 7, minor: 2, micro: 0 } }, capabilities: [] } });
  if (scenario.behaviour === 'never-boots') await forever();
  say(`hello version=1 nonce=${spec.nonce}`);
  beat();
  say('begin command=0');
}

async function misbehave(): Promise<void> {
  switch (scenario.behaviour) {
    case 'panic':
      event('GUEST_PANICKED', { action: 'poweroff' });
      return leave('guest-panic');
    case 'reset':
      return leave('guest-reset');
    case 'crash':
      process.kill(process.pid, 'SIGSEGV');
      return forever();
    case 'hang':
      return forever();
    case 'silence':
      return live(1 << 30);
    case 'long':
      for (;;) {
        await live(100);
        writeSync(MONITOR_FDS.log, 'still here\n');
      }
    case 'no-space':
      event('BLOCK_IO_ERROR', { 'node-name': 'disk', nospace: true, reason: 'No space left on device' });
      return forever();
    case 'no-status':
      return leave('guest-shutdown');
    case 'flood':
      for (;;) {
        writeSync(MONITOR_FDS.log, Buffer.alloc(65_536, 'flood\n'));
        await sleep(1);
      }
    default:
  }
}

async function main(): Promise<void> {
  await boot();
  writeSync(MONITOR_FDS.log, scenario.log ?? 'fake build\n');
  await live(scenario.milliseconds ?? 0);
  await misbehave();
  const result = RESULTS[scenario.behaviour ?? 'success'] ?? 'succeeded';
  const exit = ['succeeded', 'names'].includes(result) ? 0 : (scenario.exitCode ?? 1);
  say(`end command=0 exit=${exit}`);
  await leaveLetter(result, exit);
  say(`done result=${result}`);
  if (scenario.behaviour === 'status-then-hang') await forever();
  leave('guest-shutdown');
}

const RESULTS: Partial<Record<NonNullable<FakeScenario['behaviour']>, string>> = {
  'failing-command': 'failed',
  'disk-full': 'disk-full',
  'out-of-memory': 'out-of-memory',
  names: 'names',
};

await main();
