/**
 * `node bench/boot.ts [--rounds N] [--only PATTERN] [--cpus N]`: where the time around a guest goes, and what other ways
 * to boot it would cost. Everything in turn, so that all of it meets the same load; medians. SIGINT ends it after the boot
 * that runs, with what was measured until then.
 */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { tinyContainer } from '../test/support/tiny-container.ts';
import { tinyGuest } from '../test/support/tiny-guest.ts';
import { createContainerVm } from '../vm/container/container-vm.ts';
import { qemuArguments } from '../vm/qemu/arguments.ts';
import { createQemuVm } from '../vm/qemu/qemu-vm.ts';
import type { GuestSpec, Vm } from '../vm/vm.ts';
import { type Moments, oneBoot } from './boot/one-boot.ts';
import { type Timeline, timeline } from './boot/timeline.ts';
import { BEFORE, VARIANTS, type Variant } from './boot/variants.ts';
import { machine } from './machine.ts';

/** Nobody's on any machine. */
const IDENTITY = { uid: 61_234, gid: 61_234 };

/** What compilers and shells do most, with nothing but busybox. */
const WORK = `
for i in 0 1 2 3 4 5 6 7 8 9; do for j in 0 1 2 3; do /bin/true; done; done; echo mark fork
for i in 0 1 2 3; do cat /dev/shm/* >/dev/null; dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>/dev/null; done; echo mark copy
for i in 0 1; do sha256sum /dev/shm/x; done; echo mark sha
awk 'BEGIN { for (i = 0; i < 60000; i++) { s = s i; if (length(s) > 200) s = ""; n[i % 99] += index(s, "9") } }'; echo mark awk
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '.' },
    cpus: { type: 'string', default: '2' },
  },
});
const rounds = Number(values.rounds);
const chosen = [BEFORE, ...VARIANTS].filter(({ name }) => new RegExp(values.only).test(name));
const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
try {
  const spec = { ...(await tinyGuest(folder, { script: WORK })), cpus: Number(values.cpus), memoryMiB: 2048 };
  const boots = new Map<Variant, Moments[]>(chosen.map((variant) => [variant, []]));
  const lines = new Map<string, Timeline[]>([
    ['qemu', []],
    ['container', []],
  ]);
  let isOver = false;
  process.once('SIGINT', () => (isOver = true));
  for (let round = 0; round < rounds && !isOver; round++) {
    process.stderr.write(`round ${round + 1} of ${rounds}, load ${loadavg()[0]?.toFixed(1)} …\n`);
    for (const [variant, moments] of boots) {
      if (isOver) break;
      const argv = variant.change(qemuArguments('tcg', spec, IDENTITY));
      // A machine, model or word that this QEMU or kernel does not know.
      const failed = (error: Error) => process.stderr.write(`${variant.name}: ${error.message}\n`);
      await oneBoot(folder, spec, argv).then((seen) => moments.push(seen), failed);
    }
    for (const [type, of] of lines) {
      if (!isOver) of.push(await whole(type, join(folder, `${type}-${round}`)));
    }
  }
  process.stdout.write(
    `${await machine()}, ${values.cpus} CPUs in the guest, load ${loadavg()[0]?.toFixed(1)}\n\n`,
  );
  process.stdout.write(`${variantTable(boots)}\n\n${timelineTable(lines)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function whole(type: string, base: string): Promise<Timeline> {
  await mkdir(base);
  const make = type === 'qemu' ? tinyGuest : tinyContainer;
  const spec: GuestSpec = await make(base, { script: 'echo x >/out/x' });
  const vm: Vm = type === 'qemu' ? createQemuVm({ type, ...IDENTITY }) : createContainerVm();
  return timeline(vm, join(base, 'vm'), spec);
}

/** Seconds of the clock, then seconds of QEMU's CPU time. */
function variantTable(boots: ReadonlyMap<Variant, Moments[]>): string {
  const columns: [string, (of: Moments) => number][] = [
    ['to hello', ({ hello }) => hello?.at ?? Number.NaN],
    ['hello to begin', ({ hello, begin }) => (begin?.at ?? Number.NaN) - (hello?.at ?? 0)],
    ['end to exit', ({ end, exit }) => (exit?.at ?? Number.NaN) - (end?.at ?? 0)],
    ['CPU: to hello', ({ hello }) => hello?.cpu ?? Number.NaN],
    ...(['begin', 'fork', 'copy', 'sha', 'awk'] as const).flatMap((from, index, all) => {
      const to = all[index + 1];
      if (to === undefined) return [];
      return [[to, (of: Moments) => (of[to]?.cpu ?? Number.NaN) - (of[from]?.cpu ?? 0)]] as [
        string,
        (of: Moments) => number,
      ][];
    }),
  ];
  const rows = [...boots].map(([{ name }, moments]) => [
    name,
    String(moments.length),
    ...columns.map(([, figure]) => shown(moments.map(figure), 2)),
  ]);
  return markdown(['', 'boots', ...columns.map(([title]) => title)], rows);
}

function timelineTable(lines: ReadonlyMap<string, Timeline[]>): string {
  const steps = [...new Set([...lines.values()].flat().flatMap((line) => Object.keys(line)))];
  const rows = steps.map((step) => [
    step,
    ...[...lines.values()].map((of) =>
      shown(
        of.map((line) => line[step] ?? Number.NaN),
        3,
      ),
    ),
  ]);
  return markdown(['seconds since `vm.start`', ...lines.keys()], rows);
}

function markdown(head: string[], rows: string[][]): string {
  const rule = head.map((_, index) => (index === 0 ? '---' : '---:'));
  return [head, rule, ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** The median; a dash where there is none. */
function shown(numbers: number[], digits: number): string {
  const known = numbers.filter((each) => !Number.isNaN(each)).sort((a, b) => a - b);
  return known[Math.floor(known.length / 2)]?.toFixed(digits) ?? '–';
}
