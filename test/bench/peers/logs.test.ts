import { describe, expect, it } from 'vitest';
import type { TimedLine } from '../../../bench/peers/lines.ts';
import { spansOfObsBuild } from '../../../bench/peers/obs-build.ts';
import { spansOfSbuild } from '../../../bench/peers/sbuild.ts';

/** Lines of a real log, each after the seconds at which it came. */
function log(text: string): TimedLine[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [, at, words = ''] = /^(\S+) ?(.*)$/.exec(line.trimStart()) ?? [];
      return { at: Number(at), text: words };
    });
}

function without(lines: readonly TimedLine[], words: string): TimedLine[] {
  return lines.filter(({ text }) => !text.includes(words));
}

describe('obs-build', () => {
  const LOG = log(`
    14.1 [   14s] copying packages...
    18.0 [   18s] booting qemu...
    30.9 [   31s] 2nd stage started in virtual machine
    34.4 [   34s] [5/158] installing kernel-obs-build-1
    336.7 [  336s] dpkg-source: warning: extracting unsigned source package (/usr/src/packages/SOURCES/hostname_3.23+nmu1.dsc)
    336.9 [  336s] dpkg-source: info: extracting hostname in /usr/src/packages/BUILD
    340.1 [  340s] ----- building hostname_3.23+nmu1.dsc (user abuild)
    341.0 [  341s] Sourcing build.script to build - it should normally run 'dpkg-buildpackage -us -uc'
    341.5 [  341s] @@slipway begin 1795283562.206660336
    342.6 [  342s] dpkg-source: info: extracting hostname in hostname-3.23+nmu1
    365.2 [  365s] dpkg-buildpackage: info: binary-only upload (no source included)
    365.4 [  365s] @@slipway end 1795283586.118040136
    366.3 [  366s] vm finished "build hostname_3.23+nmu1.dsc" at Sat Nov 21 17:53:07 UTC 2026.
  `);

  it('says by its guest’s clock how long the build took; what comes before ends where it first unpacks', () => {
    const { before, own, after } = spansOfObsBuild(LOG, 367.2);
    expect(before).toBe(336.9);
    expect(own).toBeCloseTo(23.911, 3);
    expect(after).toBeCloseTo(1.8);
  });

  it('is read also where the kernel’s words stand before it on a line', () => {
    const noisy = LOG.map(({ at, text }) => ({
      at,
      text: text.replace('@@', '\u001b[0m[   12.5] random: @@'),
    }));
    expect(spansOfObsBuild(noisy, 367.2).own).toBeCloseTo(23.911, 3);
  });

  it.each(['@@slipway begin', '@@slipway end'])('without %s is no measurement', (mark) => {
    expect(() => spansOfObsBuild(without(LOG, mark), 367.2)).toThrow('does not say');
  });

  it('that unpacked nothing itself begins with its mark', () => {
    expect(spansOfObsBuild(without(LOG, 'info: extracting'), 367.2).before).toBe(341.5);
  });
});

describe('sbuild', () => {
  const LOG = log(`
    0.3 sbuild (Debian sbuild) 0.85.0 (04 January 2023) on vm
    0.9 Unpacking /tmp/slipway-peers-x/sbuild-y/chroot.tar to /tmp/tmp.sbuild.NO5O5oUddN...
    5.1 | Install package build dependencies                                           |
    14.0 Unpack source
    14.0 -------------
    14.2 dpkg-source: info: extracting hostname in /<<PKGBUILDDIR>>
    15.6 Command: dpkg-buildpackage --sanitize-env -us -uc -b -rfakeroot -j2
    24.3 dpkg-buildpackage: info: binary-only upload (no source included)
    24.5 Finished commands
    24.5 echo @@slipway end
    24.6 @@slipway end
    24.6 I: Finished running 'echo @@slipway end'.
    25.3 Status: successful
  `);

  it('says by a heading and by a hook when the build began and ended, not by the hook’s own command', () => {
    const { before, own, after } = spansOfSbuild(LOG, 25.6);
    expect(before).toBe(14);
    expect(own).toBeCloseTo(10.6);
    expect(after).toBeCloseTo(1);
  });

  it('that never got to the build is no measurement', () => {
    expect(() => spansOfSbuild(without(LOG, 'Unpack source'), 25.6)).toThrow('does not say');
    expect(() => spansOfSbuild(without(LOG, '@@slipway end'), 25.6)).toThrow('does not say');
  });
});
