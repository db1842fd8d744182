import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BuildInputs } from '../../support/build-inputs.ts';
import { runInChroot } from '../../support/chroot.ts';
import { installAtOnce, installInLayers, installPlainly } from '../../support/plain-install.ts';
import { differences, treeFacts } from '../../support/tree-facts.ts';

/** Where a build root of ours may differ from a plain installation, and why. */
const EXPECTED: readonly [path: RegExp, why: string][] = [
  [/^\/build$/, "the builder's home is ours"],
  [/^\/etc\/(hostname|hosts|machine-id|resolv\.conf|fstab)$/, 'neutral here, of the machine or absent there'],
  [/^\/(etc|var\/lib|var\/cache|var\/log)\/apt(\/|$)|^\/tmp\/mmdebstrap/, 'mmdebstrap runs apt for it'],
  [/^\/var\/lib\/dpkg\/arch$/, 'mmdebstrap writes it; dpkg needs it only for several architectures'],
  [/^\/dev(\/|$)/, 'mmdebstrap makes device nodes; a guest mounts its own'],
  [/^\/var\/lib\/dpkg\/(available|statoverride)$/, 'ours are there and empty, as debootstrap makes them'],
  [/^\/var\/lib\/dpkg\/[a-z]+-old$|^\/var\/cache\/debconf\/.*-old$/, 'the state before the last step'],
  [/^\/var\/log\/(dpkg|alternatives|bootstrap)\.log$/, 'says when what was done'],
  [/^\/var\/cache\/ldconfig\/aux-cache$/, 'inode numbers and times'],
  [/^\/var\/cache\/man\/|^\/var\/lib\/man-db\/auto-update$/, 'the index of manual pages is left out'],
];

/** Files of which not every byte counts, and why. */
const NORMALIZED: readonly [path: RegExp, why: string, normalize: (text: string) => string][] = [
  [/^\/etc\/g?(passwd|group|shadow)-?$/, 'the builder is ours', (text) => text.replace(/^builder:.*\n/m, '')],
  [/^\/etc\/shells$/, 'in the order in which packages were configured', (text) => sorted(text, '\n')],
  [/^\/var\/cache\/debconf\/config\.dat$/, 'our answer leaves out the index of manual pages', withoutAnswer],
];

// biome-ignore lint/suspicious/noTemplateCurlyInString: a format of dpkg-query
const STATE = '${binary:Package} ${Version} ${Architecture} ${Status}\\n';

interface Installed {
  facts: Map<string, string>;
  packages: string;
  audit: string;
  verify: string;
}

/** Proves that what we install is what dpkg installs, with real packages. */
export function sameAsPlainInstall(
  what: string,
  inputsOf: () => Promise<BuildInputs>,
  minutes: number,
): void {
  describe(`the build root of ${what}`, () => {
    let folder: string;
    let inputs: BuildInputs;
    let plain: Installed;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'slipway-test-'));
      inputs = await inputsOf();
      plain = await installed(folder, (tree) => installPlainly(inputs.packages, tree, folder));
    }, minutes * 60_000);

    afterAll(async () => rm(folder, { recursive: true, force: true }));

    test('is large enough to mean something', () => {
      expect(inputs.lock.base.length).toBeGreaterThan(50);
      expect(inputs.lock.dependencies.length).toBeGreaterThan(5);
      expect(plain.facts.size).toBeGreaterThan(3000);
    });

    const ways = {
      'at once': (tree: string) => installAtOnce(inputs, tree),
      'in layers': (tree: string) => installInLayers(inputs, tree, folder),
    };
    test.each(Object.entries(ways))(
      'installed %s it is what dpkg alone installs',
      async (_, install) => {
        const ours = await installed(folder, install);
        expect(ours.audit + plain.audit).toBe('');
        expect(ours.verify + plain.verify).toBe('');
        expect(ours.packages).toBe(plain.packages);
        expect(ours.packages.split('\n').length - 1).toBe(inputs.packages.length);
        const isExpected = (path: string) => EXPECTED.some(([pattern]) => pattern.test(path));
        expect(differences(ours.facts, plain.facts, isExpected)).toEqual([]);
      },
      minutes * 60_000,
    );
  });
}

/** Installs into a folder that is gone afterwards: each takes half a gigabyte. */
async function installed(folder: string, install: (tree: string) => Promise<void>): Promise<Installed> {
  const tree = join(folder, 'tree');
  try {
    await install(tree);
    const facts = await treeFacts(tree, normalize);
    const ask = async (argv: [string, ...string[]]) => {
      const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };
      return (await runInChroot(tree, { argv, env, user: 'root', cwd: '/' })).stdout;
    };
    const packages = await ask(['dpkg-query', '--show', `--showformat=${STATE}`]);
    return {
      facts,
      packages,
      audit: await ask(['dpkg', '--audit']),
      verify: await ask(['dpkg', '--verify']),
    };
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

function normalize(path: string, content: Buffer): string | undefined {
  const found = NORMALIZED.find(([pattern]) => pattern.test(path));
  return found?.[2](content.toString('latin1'));
}

/** Stanzas, parted by empty lines: of that question the answer, and that there is one, is left out. */
function withoutAnswer(text: string): string {
  const stanzas = text.split('\n\n');
  return stanzas
    .map((stanza) =>
      stanza.startsWith('Name: man-db/auto-update\n') ? stanza.replace(/\n(Value|Flags): .*/g, '') : stanza,
    )
    .join('\n\n');
}

function sorted(text: string, between: string): string {
  return text.split(between).sort().join(between);
}
