import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../host/run.ts';
import { addEntry } from '../../../recipes/debian/bin-nmu.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const LAST = `hello (2.10-3) unstable; urgency=medium

  * Made.

 -- Santiago Vila <sanvila@debian.org>  Mon, 26 Dec 2022 16:30:00 +0100
`;

async function rebuilt(binNmu: Partial<Parameters<typeof addEntry>[0]>): Promise<string> {
  const work = await temporaryFolder();
  await mkdir(join(work, 'tree/debian'), { recursive: true });
  const file = join(work, 'tree/debian/changelog');
  await writeFile(file, LAST);
  await run(addEntry({ number: 1, text: 'Rebuild', ...binNmu }, 'arm64'), { cwd: join(work, 'tree') });
  const field = async (name: string) =>
    (await run(['dpkg-parsechangelog', '--show-field', name], { cwd: join(work, 'tree') })).stdout.trim();
  expect(await field('Version')).toBe(`2.10-3+b${binNmu.number ?? 1}`);
  expect(await field('Binary-Only')).toBe('yes');
  expect(await field('Distribution')).toBe('unstable');
  const text = await readFile(file, 'utf8');
  expect(text.endsWith(`\n${LAST}`)).toBe(true);
  return text.slice(0, -LAST.length);
}

test("the entry is sbuild's, with date and hand of the last one: the same whenever it is made", async () => {
  expect(
    await rebuilt({ text: 'Rebuild against libfoo2' }),
  ).toBe(`hello (2.10-3+b1) unstable; urgency=low, binary-only=yes

  * Binary-only non-maintainer upload for arm64; no source changes.
  * Rebuild against libfoo2

 -- Santiago Vila <sanvila@debian.org>  Mon, 26 Dec 2022 15:30:00 +0000

`);
});

test('maintainer and date may be given', async () => {
  const entry = await rebuilt({
    number: 7,
    maintainer: 'Jane Doe <jane@example.org>',
    timestamp: 1_700_000_000,
  });
  expect(entry).toContain('\n -- Jane Doe <jane@example.org>  Tue, 14 Nov 2023 22:13:20 +0000\n');
});

test.each(['100% %s \\n', '$(touch /tmp/x) `id`', 'it\'s "quoted"', '-n', 'für ö'])(
  'the text %j stays what it is',
  async (text) => {
    expect(await rebuilt({ text })).toContain(`\n  * ${text}\n`);
  },
);
