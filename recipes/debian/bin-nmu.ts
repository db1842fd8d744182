import type { DebianOptions } from './options.ts';

type BinNmu = NonNullable<DebianOptions['binNmu']>;

/**
 * Puts an entry on top of debian/changelog as sbuild does, but with the date and the hand of the last entry where the
 * request gives none: a rebuild at another time makes the same files. `date` gets the seconds as they are, the texts are
 * words and never read as a format. `$1` suffix, `$2` architecture, `$3` text, `$4` maintainer, `$5` seconds.
 */
const ADD_ENTRY = `
set -e
field() { dpkg-parsechangelog --show-field "$1"; }
source=$(field Source) version=$(field Version) distribution=$(field Distribution)
maintainer=\${4:-$(field Maintainer)} seconds=\${5:-$(field Timestamp)}
date=$(LC_ALL=C date -u -d "@$seconds" '+%a, %d %b %Y %H:%M:%S +0000')
{
  printf '%s (%s) %s; urgency=low, binary-only=yes\\n\\n' "$source" "$version$1" "$distribution"
  printf '  * Binary-only non-maintainer upload for %s; no source changes.\\n  * %s\\n\\n' "$2" "$3"
  printf ' -- %s  %s\\n\\n' "$maintainer" "$date"
  cat debian/changelog
} > ../changelog.new
cat ../changelog.new > debian/changelog
rm ../changelog.new
`;

/** As in Debian's archive: `2.10-3` becomes `2.10-3+b1`. */
export function binNmuVersion(version: string, binNmu: BinNmu | undefined): string {
  return binNmu === undefined ? version : `${version}+b${binNmu.number}`;
}

/** The command that adds the entry; run in the source tree. */
export function addEntry(binNmu: BinNmu, architecture: string): [string, ...string[]] {
  const { number, text, maintainer = '', timestamp } = binNmu;
  return [
    'sh',
    '-c',
    ADD_ENTRY,
    'bin-nmu',
    `+b${number}`,
    architecture,
    text,
    maintainer,
    `${timestamp ?? ''}`,
  ];
}
