import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createGroups, groupsOf, hierarchies, removeGroups } from '../../../vm/container/control-groups.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const V1 = `30 25 0:26 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory
31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 25 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 25 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
34 25 0:30 / /proc rw - proc proc rw`;

async function version2(controllers: string, delegated = ''): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'cgroup.controllers'), controllers);
  await writeFile(join(folder, 'cgroup.subtree_control'), delegated);
  // A kernel makes these by itself.
  await mkdir(join(folder, 'slipway'));
  await writeFile(join(folder, 'slipway/cgroup.subtree_control'), '');
  return folder;
}

describe('control groups', () => {
  it('of version 1 are found by their controllers', () => {
    expect(hierarchies(V1)).toEqual({
      memory: { version: 1, folder: '/sys/fs/cgroup/memory' },
      cpu: { version: 1, folder: '/sys/fs/cgroup/cpu,cpuacct' },
      pids: { version: 1, folder: '/sys/fs/cgroup/pids' },
    });
  });

  it('of version 2 are found by their controllers, also beside version 1', async () => {
    const folder = await version2('cpu memory pids\n');
    const mount = `35 25 0:31 / ${folder} rw - cgroup2 cgroup2 rw,nsdelegate`;
    expect(hierarchies(mount).memory).toEqual({ version: 2, folder });
    expect(hierarchies(`${V1}\n${mount}`).memory?.version).toBe(1);
    expect(hierarchies('')).toEqual({});
  });

  it('of version 2 are handed down from the root, and are one group for all controllers', async () => {
    const folder = await version2('cpu memory pids\n', 'memory\n');
    const all = hierarchies(`35 25 0:31 / ${folder} rw - cgroup2 cgroup2 rw`);
    const made = createGroups('/a/vm', { memoryMiB: 100, cpus: 2 }, all);
    expect(new Set(Object.values(made)).size).toBe(1);
    expect(groupsOf('/a/vm', all)).toEqual([made.memory]);
    expect(await readFile(join(folder, 'cgroup.subtree_control'), 'utf8')).toBe('+cpu');
    expect(removeGroups(groupsOf('/a/vm', all))).toEqual([]);
    expect(removeGroups(groupsOf('/a/vm', all))).toEqual([]);
  });

  it('that the host does not give away are done without', async () => {
    const missing = { memory: { version: 1, folder: '/proc/nowhere' } } as const;
    expect(createGroups('/a/vm', { memoryMiB: 100, cpus: 2 }, missing)).toEqual({});
  });

  it('of two folders are two', () => {
    const all = hierarchies(V1);
    expect(groupsOf('/a/vm', all)).toHaveLength(3);
    expect(groupsOf('/a/vm', all)).not.toEqual(groupsOf('/b/vm', all));
  });
});
