import { createHash } from 'node:crypto';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Incoming } from '../../guest/incoming.ts';
import type { GuestCommand, GuestSpec } from '../../vm/vm.ts';
import {
  busyboxDisk,
  busyboxTree,
  contentOf,
  type LetterBox,
  NONCE,
  shell,
} from '../support/busybox-guest.ts';
import type { GuestSaid } from '../support/qemu.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Runs the disk of a folder once, with 256 MiB of memory and one CPU where nothing else is said; `/out` is listed. */
export type RunGuest = (
  folder: string,
  commands: readonly GuestCommand[],
  options?: { cpus?: number; memoryMiB?: number; spec?: Partial<GuestSpec>; incoming?: Incoming },
) => Promise<GuestSaid & { letterBox: LetterBox | undefined }>;

/** Files that are hard to list, and their SHA-256 as the guest sees them. */
const ODD_FILES = `
cd /out && mkdir 'a folder' -- '-dash' && chmod 750 'a folder'
echo colon > 'a folder/, : 1..2: 3 back\\slash "quotes" ü 日本'
echo file > ./-dash/'File size of .'
echo row > '   0:        0..       7:      34816..     34823:      8:             last,eof'
echo arrow > 'x -> y'
ln -s '../x -> y' -- '-dash/a link'
ln 'x -> y' 'a folder/twin'
: > empty
mkdir 'empty folder'
dd if=/dev/urandom of=sparse bs=1000 count=1 seek=3000 status=none
dd if=/dev/urandom of=sparse bs=700 count=3 seek=5 conv=notrunc status=none
truncate -s 5000001 sparse
for i in $(seq 40); do
  dd if=/dev/urandom bs=4096 count=1 status=none >> fragmented
  dd if=/dev/urandom bs=4096 count=1 status=none >> other
  sync
done
rm other
fallocate -l 100000 reserved 2>/dev/null
find . -type f -exec sha256sum {} + > /out/sums
`;

/** Whoever runs as builder: who it is and what it can reach. */
const SURROUNDINGS = `
echo "uid=$(id -u) gid=$(id -g) groups=$(grep Groups: /proc/self/status | tr -d '\\t')"
grep CapEff /proc/self/status
echo "links: $(ls /sys/class/net | tr '\\n' ' ')"
ip addr show lo | grep -c 'inet 127.0.0.1/8'
touch /sys/kernel/slipway 2>&1
mount | grep ' /sys ' | grep -c '(ro'
echo 'again out' > /dev/stdout
echo 'again err' > /dev/stderr
for descriptor in /proc/$$/fd/*; do [ -e $descriptor ] && echo "open: $descriptor" | sed 's,/proc/[0-9]*,,'; done
cat /proc/$$/oom_score_adj
hostname
date +%s
nproc
head -c 3 /dev/zero | wc -c
: > /dev/shm/x && : > /tmp/x && rm /tmp/x && echo writable
ls -a /
ls /r /slipway /toolkit 2>&1 | head -3
`;

/** What a guest is for the commands that run in it, and what it leaves behind, whatever runs it. */
export function guestContract(name: string, runGuest: RunGuest): void {
  describe(`a guest in ${name}`, () => {
    test('what it is handed in lies in its folder, the builder’s, and the swap is all there', async () => {
      const folder = await temporaryFolder();
      await busyboxDisk(folder);
      await writeFile(join(folder, 'content'), Buffer.alloc(9_000_000, 'handed in\n'));
      const files = ['a b_1.0.dsc', 'content.tar.xz'].map((name) => ({
        name,
        path: join(folder, 'content'),
      }));
      const incoming = { folder: '/build/new folder', owner: 1000, files };
      const { log, letterBox } = await runGuest(
        folder,
        [shell("cd '/build/new folder' && stat -c '%n %u:%g %a %s' . * && sha256sum * && touch mine")],
        { incoming },
      );
      const digest = createHash('sha256').update(Buffer.alloc(9_000_000, 'handed in\n')).digest('hex');
      expect(log.trimEnd().split('\n')).toEqual([
        ...[
          '. 1000:1000 755 4096',
          'a b_1.0.dsc 1000:1000 644 9000000',
          'content.tar.xz 1000:1000 644 9000000',
        ],
        ...[`${digest}  a b_1.0.dsc`, `${digest}  content.tar.xz`],
      ]);
      expect(letterBox?.header.result).toBe('succeeded');
    });

    test('what it is handed in and has no room for is a full disk', async () => {
      const folder = await temporaryFolder();
      await busyboxDisk(folder, 20);
      await writeFile(join(folder, 'content'), Buffer.alloc(25_000_000, 'x'));
      const incoming = { folder: '/out', owner: 1000, files: [{ name: 'x', path: join(folder, 'content') }] };
      const { records, letterBox } = await runGuest(folder, [shell('echo never')], { incoming });
      expect(letterBox?.header.result).toBe('disk-full');
      expect(records.filter((line) => line.startsWith('begin'))).toEqual([]);
    });

    test('what it is handed in does not follow a link out of the build root', async () => {
      const folder = await temporaryFolder();
      await busyboxTree(join(folder, 'tree'));
      await symlink('/toolkit', join(folder, 'tree', 'build'));
      await busyboxDisk(folder);
      await writeFile(join(folder, 'content'), 'x');
      const incoming = {
        folder: '/build',
        owner: 0,
        files: [{ name: 'phase', path: join(folder, 'content') }],
      };
      const { letterBox, ...said } = await runGuest(folder, [shell('echo never')], { incoming });
      expect(letterBox).toBeUndefined();
      expect(said.console).toContain('/build is no folder of the build root');
    });

    test('a build that succeeds: what it sees, and what it leaves behind', async () => {
      const folder = await temporaryFolder();
      await busyboxDisk(folder);
      const began = Math.floor(Date.now() / 1000);
      const { records, log, letterBox } = await runGuest(
        folder,
        [
          // A process that nobody waits for, with an open file on the disk, and one that takes all signals.
          shell('sh -c \'trap "" TERM HUP INT; while :; do sleep 1; done\' >/out/open & sleep 1000 & exit 0'),
          shell(SURROUNDINGS),
          {
            argv: ['printf', '[%s]\n', '', ' two  words', '$(id)', "a'b", '-n', '*', 'new\nline', 'a=b'],
            env: { PATH: '/bin' },
            user: 'root',
            cwd: '/',
          },
          {
            argv: ['/bin/env'],
            env: { PATH: '/bin', ODD: ' a=b $c\n*', EMPTY: '' },
            user: 'builder',
            cwd: '/out',
          },
          shell('rm /out/open; ps | grep -c "[s]leep 1000"'),
          shell(ODD_FILES),
        ],
        { cpus: 2 },
      );

      expect(records[0]).toBe(`hello version=1 nonce=${NONCE}`);
      expect(records.filter((line) => !line.startsWith('beat'))).toEqual([
        records[0],
        ...[0, 1, 2, 3, 4, 5].flatMap((i) => [`begin command=${i}`, `end command=${i} exit=0`]),
        'done result=succeeded',
        '',
      ]);
      const beat = /^beat mem=\d+ disk=\d{4,} diskfree=\d{4,} swap=\d+ rr=\d+ wr=\d+ rs=\d+ ws=\d+$/;
      const beats = records.filter((line) => line.startsWith('beat'));
      expect(beats.length).toBeGreaterThan(1);
      for (const line of beats) expect(line).toMatch(beat);
      expect(beats.at(-1)).toMatch(/ rr=[1-9]\d* .* rs=[1-9]/);

      const lines = log.split('\n');
      const words = lines.indexOf('[]');
      const seen = lines.slice(0, words);
      expect(seen.slice(0, 4)).toEqual([
        'uid=1000 gid=1000 groups=Groups: ',
        'CapEff:\t0000000000000000',
        'links: lo ',
        '1',
      ]);
      expect(seen[4]).toMatch(/Read-only file system/);
      expect(seen.slice(5, 8)).toEqual(['1', 'again out', 'again err']);
      expect(seen.splice(8, 3)).toEqual(['open: /fd/0', 'open: /fd/1', 'open: /fd/2']);
      expect(seen.slice(8, 10)).toEqual(['0', 'localhost']);
      expect(Number(seen[10]) - began).toBeGreaterThanOrEqual(0);
      expect(Number(seen[10]) - began).toBeLessThan(60);
      expect(seen.slice(11, 14)).toEqual(['2', '3', 'writable']);
      expect(seen.slice(14).filter((name) => !name.startsWith('.') && !name.startsWith('ls: '))).toEqual([
        'bin',
        'dev',
        'lost+found',
        'out',
        'proc',
        'run',
        'sys',
        'tmp',
      ]);

      expect(lines.slice(words, words + 9)).toEqual([
        '[]',
        '[ two  words]',
        '[$(id)]',
        "[a'b]",
        '[-n]',
        '[*]',
        '[new',
        'line]',
        '[a=b]',
      ]);
      expect(lines.slice(words + 9)).toEqual(['PATH=/bin', 'ODD= a=b $c', '*', 'EMPTY=', '1', '']);

      expect(letterBox?.header).toMatchObject({
        phase: 'build',
        nonce: NONCE,
        result: 'succeeded',
        command: '5',
        exit: '0',
      });
      const bytes = letterBox?.list ?? Buffer.alloc(0);
      expect(letterBox?.header.sha256).toBe(sha256(bytes));
      const list = bytes.toString();
      expect(list.split('\n').filter((line) => !/^[EF] /.test(line))).toEqual([
        ...['D 755 -dash', 'S -dash/a link', 'T ../x -> y', 'D 750 a folder', 'D 755 empty folder'],
        ...['H x -> y', 'T a folder/twin', ''],
      ]);
      expect(list).toContain('F 644 0 empty\n');
      expect(list.match(/^E disk \d+ 8 \d+$/gm)?.length).toBeGreaterThan(20);

      const sums = (await contentOf(join(folder, 'disk'), list, 'sums')).toString().trimEnd().split('\n');
      const checked = sums.filter((line) => !line.endsWith('./sums') && !line.endsWith('/x -> y'));
      expect(checked.length).toBe(8);
      for (const line of checked) {
        const name = line.slice(68);
        expect(`${sha256(await contentOf(join(folder, 'disk'), list, name))}  ./${name}`).toBe(line);
      }
    });

    test('a command that fails is the last one, with its own exit code', async () => {
      const folder = await temporaryFolder();
      await busyboxDisk(folder);
      const boot = (commands: readonly GuestCommand[]) => runGuest(folder, commands);

      const failed = await boot([shell('exit 0'), shell('touch /out/x; exit 42'), shell('echo never')]);
      expect(failed.letterBox?.header).toMatchObject({
        result: 'failed',
        command: '1',
        exit: '42',
        length: '0',
      });
      expect(failed.records).toContain('end command=1 exit=42');
      expect(failed.log).toBe('');

      const killed = await boot([shell('kill -9 $$')]);
      expect(killed.letterBox?.header).toMatchObject({ result: 'failed', command: '0', exit: '137' });

      // Root of a virtual machine can kill even what waits for it: all but PID 1 of its namespace.
      const all = await boot([shell('kill -9 -1; kill -9 $$', 'root')]);
      expect(all.letterBox?.header).toMatchObject({ result: 'failed', command: '0', exit: '137' });

      // A working folder that an earlier command turned into a way out.
      const away = await boot([shell('ln -s /toolkit /out/away'), { ...shell('pwd'), cwd: '/out/away' }]);
      expect(away.letterBox?.header).toMatchObject({ result: 'failed', command: '1', exit: '1' });
      expect(away.log).toContain('no folder of the build root');

      // xargs, which hands over the words, would have made 123 of it.
      const missing = await boot([
        { argv: ['no-such-program'], env: { PATH: '/bin' }, user: 'builder', cwd: '/' },
      ]);
      expect(missing.letterBox?.header).toMatchObject({ result: 'failed', command: '0', exit: '127' });
      expect(missing.log).toContain('no-such-program');
    });

    test('a full disk, also where the build tidies up after itself', async () => {
      const folder = await temporaryFolder();
      await busyboxDisk(folder, 16);
      const { letterBox } = await runGuest(folder, [
        shell('dd if=/dev/zero of=/out/fill bs=64k; sleep 3; rm /out/fill; exit 9'),
      ]);
      expect(letterBox?.header).toMatchObject({ result: 'disk-full', command: '0', exit: '9', length: '0' });
    });

    test('memory that does not suffice, processes without end: the guest still tells how it ended', async () => {
      const folder = await temporaryFolder();
      await busyboxDisk(folder);
      const hungry = shell(
        'dd if=/dev/zero of=/dev/shm/x bs=1M; awk \'BEGIN { x = sprintf("%1000000s", ""); while (1) a[i++] = x "." }\'',
      );
      const { letterBox } = await runGuest(folder, [hungry], { memoryMiB: 192 });
      expect(letterBox?.header).toMatchObject({ result: 'out-of-memory', command: '0', exit: '137' });

      const forking = shell('while :; do sleep 1000 & done', 'root');
      const many = await runGuest(folder, [forking], { memoryMiB: 192 });
      expect(many.letterBox?.header).toMatchObject({ result: 'failed', command: '0', exit: '2' });
      expect(many.log).toContain("can't fork");
    });

    test('a result whose name cannot be told', async () => {
      const folder = await temporaryFolder();
      await busyboxDisk(folder);
      const { letterBox } = await runGuest(folder, [shell("ln -s 'tab\there' /out/link")]);
      expect(letterBox?.header).toMatchObject({ result: 'names', command: '0', exit: '0', length: '0' });

      const fifo = await runGuest(folder, [shell('rm /out/link; mkfifo /out/pipe')]);
      expect(fifo.letterBox?.list.toString()).toBe('X p pipe\n');

      // Where the output folder leads out of the build root, nothing is listed.
      const outside = await runGuest(folder, [shell('mv /out /old; ln -s /toolkit /out', 'root')]);
      expect(outside.letterBox?.header).toMatchObject({ result: 'succeeded', length: '0' });
    });

    test.each([
      ['i386', 'i686'],
      ['amd64', 'x86_64'],
    ] as const)('a build root of %s sees a machine that is %s', async (architecture, machine) => {
      const folder = await temporaryFolder();
      await busyboxDisk(folder, 16);
      const commands = [shell('uname -m'), shell('uname -m', 'root')];
      const { log } = await runGuest(folder, commands, { spec: { architecture } });
      expect(log).toBe(`${machine}\n${machine}\n`);
    });
  });
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
