import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { run } from '../../../host/run.ts';
import { FIRST_ID } from '../../../vm/container/container-vm.ts';
import { inContainer } from '../../support/container-processes.ts';
import { type StartedContainer, startContainer } from '../../support/container-run.ts';
import { addPerl } from '../../support/perl-tree.ts';

const ATTACK = fileURLToPath(new URL('./fixtures/attack.pl', import.meta.url));
/** What a guest must not change, whoever it is. */
const PRECIOUS = ['kernel/core_pattern', 'kernel/hostname', 'vm/overcommit_memory', 'net/ipv4/ip_forward'];

/** What may work; leaving the root leads to our programs, which everybody may read, and nowhere else. The builder stays. */
const HARMLESS = {
  root: ['leave the root', 'loopback', 'nothing in /proc/kcore'],
  builder: ['list what is outside', 'loopback', 'nothing in /proc/kcore'],
};
const REFUSED = /: (EPERM|EACCES|EROFS|ENOENT|ENOSPC|ENETUNREACH|Function not implemented)$/;

async function attacked(phase: 'install' | 'build', user: 'root' | 'builder'): Promise<StartedContainer> {
  return startContainer((base) => ({
    ...{ script: `/usr/bin/perl /attack.pl ${base}/marker`, user, spec: { phase } },
    fill: async (tree) => {
      await writeFile(join(base, 'marker'), 'the host', { mode: 0o644 });
      await addPerl(tree);
      await copyFile(ATTACK, join(tree, 'attack.pl'));
    },
  }));
}

async function precious(): Promise<string[]> {
  return Promise.all(PRECIOUS.map((name) => readFile(`/proc/sys/${name}`, 'utf8')));
}

describe('a container keeps in', { timeout: 60_000 }, () => {
  it.each([
    ['install', 'root'],
    ['build', 'builder'],
  ] as const)('what a script of the %s phase tries as %s', async (phase, user) => {
    const before = await precious();
    await using container = await attacked(phase, user);
    expect(await container.ended()).toMatchObject({ end: { kind: 'succeeded' } });
    const lines = (await container.log()).trimEnd().split('\n');
    expect(lines.pop()).toBe('end');
    expect(lines.length).toBeGreaterThan(68);
    const worked = lines.filter((line) => line.endsWith(': ok')).map((line) => line.slice(0, -4));
    expect(worked.filter((name) => !HARMLESS[user].includes(name))).toEqual([]);
    const strange = lines.filter((line) => !line.endsWith(': ok') && !REFUSED.test(line));
    expect(strange.filter((line) => !line.startsWith('nothing in /proc/kcore'))).toEqual([]);
    expect(lines).toEqual(
      expect.arrayContaining([
        'write /proc/sys/kernel/core_pattern: EACCES',
        'make a disk node: EPERM',
        'mount tmpfs: EPERM',
        'namespace user: ENOSPC',
        'load a module: EPERM',
        'network: ENETUNREACH',
        'hypervisor: EPERM',
      ]),
    );
    expect(await precious()).toEqual(before);
  });

  it('processes: to the host they are nobody, with nothing open but their own', async () => {
    await using container = await startContainer({
      script: 'echo here; echo $PPID; ls /proc | grep -c "^[0-9]"; exec sleep 1000',
      user: 'root',
    });
    while (!/here\n\d+\n\d+\n/.test(await container.log())) await sleep(50);
    // Ours around it, ls and grep: none of the host's hundred.
    expect(Number((await container.log()).split('\n')[2])).toBeLessThan(8);
    const [pid] = await inContainer(container.folder, 'sleep 1000');
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    expect(status).toMatch(new RegExp(`^Uid:(\\t${FIRST_ID}){4}$`, 'm'));
    expect(status).toMatch(new RegExp(`^Gid:(\\t${FIRST_ID}){4}$`, 'm'));
    expect(status).toMatch(/^Groups:\t *$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
    const { stdout: open } = await run(['ls', '-1', `/proc/${pid}/fd`]);
    expect(open.trim().split('\n')).toEqual(['0', '1', '2']);
    for (const kind of ['mnt', 'pid', 'net', 'ipc', 'uts', 'user']) {
      const of = async (who: string) => (await run(['readlink', `/proc/${who}/ns/${kind}`])).stdout;
      expect(await of(`${pid}`)).not.toBe(await of('self'));
    }
  });

  it('ids on its disk, which are those of the guest; a set-uid program gives no right on the host', async () => {
    const install = `cp /bin/busybox /bin/up && chmod 4755 /bin/up && mkdir /made && chown 1000:5 /made`;
    await using first = await startContainer({ script: install, user: 'root', spec: { phase: 'install' } });
    expect((await first.ended()).end).toEqual({ kind: 'succeeded' });
    const stat = (path: string) => run(['debugfs', '-R', `stat ${path}`, first.spec.disk]);
    expect((await stat('/bin/up')).stdout).toMatch(/Mode: {2}04755 [\s\S]*User: +0 +Group: +0 /);
    expect((await stat('/made')).stdout).toMatch(/User: +1000 +Group: +5 /);
    await using second = await startContainer({
      script: `exec /bin/up -e '$< = $>; open(F, ">", "/root-was-here") or die; print "made\\n"; sleep 1000'`,
      fill: async (tree) => {
        await addPerl(tree);
        await run(['cp', '/usr/bin/perl', `${tree}/bin/up`]);
        await run(['chmod', '4755', `${tree}/bin/up`]);
      },
    });
    // Root of the guest, and nobody of the host.
    while (!(await inContainer(second.folder, '/bin/up')).length) await sleep(50);
    await sleep(300);
    const [pid] = await inContainer(second.folder, '/bin/up');
    const ids = /^Uid:\t(.*)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]?.split('\t');
    expect(ids).toEqual(Array.from({ length: 4 }, () => String(FIRST_ID)));
  });

  it('file capabilities, which the disk has as if root had given them', async () => {
    const blob = '\\1\\0\\0\\2\\0\\4\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0';
    const set = `perl -e 'my ($f, $n, $v) = ("/bin/busybox", "security.capability", "${blob}"); exit(syscall(188, $f, $n, $v, 20, 0) < 0)'`;
    await using container = await startContainer({
      ...{ script: `/usr/bin/${set}`, user: 'root', spec: { phase: 'install' }, fill: addPerl },
    });
    expect((await container.ended()).end).toEqual({ kind: 'succeeded' });
    const read = 'ea_get -V /bin/busybox security.capability';
    const { stdout } = await run(['debugfs', '-R', read, container.spec.disk]);
    // Revision 3 with 0 as its owner is what revision 2 means.
    expect(stdout.trimEnd()).toBe(`\x01\0\0\x03\0\x04${'\0'.repeat(18)}`);
  });
});
