import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Inputs, requestFor } from '../../../bench/peers/inputs.ts';
import type { Peer, Spans } from '../../../bench/peers/peer.ts';
import { RunRecord } from '../../../bench/peers/record.ts';
import { digestOfInputs, measureAll } from '../../../bench/peers/run.ts';
import { recipes } from '../../../recipes/index.ts';
import type { Lock } from '../../../schema/lock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const file = { name: 'hello_1.dsc', urls: [], size: 1, sha256: 'a'.repeat(64) };
const lock: Lock = {
  version: 1,
  architecture: 'amd64',
  source: { name: 'hello', version: '1', dsc: file.name, files: [file] },
  ...{ base: [], dependencies: [], repositories: [] },
};
const request = requestFor('hello');
const inputs: Inputs = {
  source: 'hello',
  request,
  lock,
  plan: recipes.debian.plan(request, lock),
  path: (sha) => sha,
};

function peer(name: Peer['name'], measure: () => Promise<Spans>): Peer {
  const isThere = { missing: async () => undefined, prepare: async () => undefined };
  return { name, isLong: false, rounds: 'many', ...isThere, measure };
}

async function newRecord(): Promise<{ open: () => Promise<RunRecord> }> {
  const path = join(await temporaryFolder(), 'record.jsonl');
  return { open: () => RunRecord.open(path, { machine: 'this', vmType: 'qemu' }) };
}

const of = {
  all: [inputs],
  rounds: { rounds: 3, longRounds: 1 },
  minutes: 50,
  settle: async () => undefined,
};

it('what fails is named and holds nobody else up; a second run measures what is missing', async () => {
  const { open } = await newRecord();
  const calls: string[] = [];
  let works = false;
  const peers = [
    peer('sbuild', async () => {
      calls.push('sbuild');
      if (!works && calls.length > 1) throw new Error('no room\nand more');
      return { before: 1, own: 2, after: 3 };
    }),
    peer('chroot', async () => {
      calls.push('chroot');
      return { own: 1 };
    }),
  ];
  const said: string[] = [];
  const say = (line: string) => said.push(line);
  const failed = await measureAll({ ...of, peers, record: await open(), say });
  expect(failed).toEqual([
    { peer: 'sbuild', why: 'hello, round 2, failed: no room' },
    { peer: 'sbuild', why: 'hello, round 3, failed: no room' },
  ]);
  expect(said.join('\n')).toContain('before 1.0 s, own 2.0 s, after 3.0 s');
  expect(calls).toHaveLength(6);
  works = true;
  expect(await measureAll({ ...of, peers, record: await open(), say })).toEqual([]);
  expect(calls.slice(6)).toEqual(['sbuild', 'sbuild']);
  const { measurements } = await open();
  expect(measurements.map(({ peer: name, round }) => `${name} ${round}`).sort()).toEqual([
    ...['chroot 1', 'chroot 2', 'chroot 3', 'sbuild 1', 'sbuild 2', 'sbuild 3'],
  ]);
});

it('after its minutes no further round is begun, and it says how much was left out', async () => {
  const { open } = await newRecord();
  const said: string[] = [];
  const record = await open();
  const peers = [peer('chroot', async () => ({ own: 1 }))];
  await measureAll({ ...of, minutes: 0, peers, record, say: (line) => said.push(line) });
  expect(record.measurements).toHaveLength(1);
  expect(said.at(-1)).toBe('0 minutes were over: 2 builds of further rounds were left out');
});

it('inputs are the same whenever their repositories were signed, and others where a file is another', () => {
  const repository = {
    uri: 'http://localhost',
    suite: 's',
    components: ['main'],
    release: 'b'.repeat(64),
    date: 'now',
  };
  expect(digestOfInputs({ ...inputs, lock: { ...lock, repositories: [repository] } })).toBe(
    digestOfInputs(inputs),
  );
  const files = [{ ...file, sha256: 'c'.repeat(64) }];
  expect(digestOfInputs({ ...inputs, lock: { ...lock, source: { ...lock.source, files } } })).not.toBe(
    digestOfInputs(inputs),
  );
});
