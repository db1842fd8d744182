import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sourceFrom } from '../../client/sources.ts';
import type { DebianSource } from '../../recipes/debian/schema.ts';
import type { Store } from '../../stores/store.ts';

/** Needs no debhelper: a build root of build-essential alone will do. The log has its whole environment. */
const RULES = `#!/usr/bin/make -f
include /usr/share/dpkg/architecture.mk
CC = $(if $(filter-out $(DEB_BUILD_GNU_TYPE),$(DEB_HOST_GNU_TYPE)),$(DEB_HOST_GNU_TYPE)-)gcc
build: build-arch build-indep
build-arch: tiny
build-indep:
tiny: tiny.c
	env | sort | sed 's/^/saw: /'
	$(CC) -g -O2 -c -o tiny.o tiny.c
	$(CC) -g -o tiny tiny.o
	$(if $(filter nocheck,$(DEB_BUILD_OPTIONS)),echo not tested,./tiny)
debian/%/DEBIAN/control:
	mkdir -p $(@D)
	dpkg-gencontrol -p$* -Pdebian/$*
binary-arch: build-arch debian/tiny-bin/DEBIAN/control
	install -D tiny debian/tiny-bin/usr/bin/tiny
	dpkg-deb --root-owner-group --build debian/tiny-bin ..
binary-indep: build-indep debian/tiny-data/DEBIAN/control
	install -D -m 644 tiny.c debian/tiny-data/usr/share/tiny/tiny.c
	dpkg-deb --root-owner-group --build debian/tiny-data ..
binary: binary-arch binary-indep
clean:
	rm -rf tiny tiny.o debian/tiny-bin debian/tiny-data debian/files
.PHONY: build build-arch build-indep binary binary-arch binary-indep clean
`;

const CONTROL = `Source: tiny-parts
Maintainer: Jane Doe <jane@example.org>
Standards-Version: 4.6.2
Rules-Requires-Root: no

Package: tiny-bin
Architecture: any
Description: depends on the architecture

Package: tiny-data
Architecture: all
Description: does not
`;

const CHANGELOG = `tiny-parts (1.0) unstable; urgency=medium

  * Made.

 -- Jane Doe <jane@example.org>  Thu, 01 Jan 2026 00:00:00 +0000
`;

/** Puts a source package into the store that makes one package of each kind out of a C file. */
export async function tinySource(folder: string, store: Store): Promise<DebianSource> {
  const tree = join(folder, 'tiny-parts-1.0');
  await mkdir(join(tree, 'debian/source'), { recursive: true });
  const files = {
    'debian/control': CONTROL,
    'debian/changelog': CHANGELOG,
    'debian/rules': RULES,
    'debian/source/format': '3.0 (native)\n',
    'tiny.c': '#include <stdio.h>\nint main(void) { return puts("tiny ran") < 0; }\n',
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(tree, name), content);
  await chmod(join(tree, 'debian/rules'), 0o755);
  return await sourceFrom(tree, store);
}
