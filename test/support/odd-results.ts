import type { Artifact } from '../../schema/result.ts';

/** Files of every kind that a filesystem keeps in a way of its own, and their SHA-256 as the guest sees them. */
export const RESULTS = `
set -e
cd /out
: > empty
echo tiny > tiny
printf %512s x > unit
mkdir -p folder/deeper
head -c 3000 /dev/urandom > folder/deeper/inline-or-not
head -c 5000003 /dev/urandom > large
yes compressible | head -c 3000000 > compressible
dd if=/dev/urandom of=sparse bs=1000 count=1 seek=3000 status=none
dd if=/dev/urandom of=sparse bs=700 count=3 seek=5 conv=notrunc status=none
truncate -s 5000001 sparse
truncate -s 70000 hole
for i in $(seq 30); do
  dd if=/dev/urandom bs=4096 count=1 status=none >> fragmented
  dd if=/dev/urandom bs=4096 count=1 status=none >> other
  sync
done
rm other
fallocate -l 100000 reserved 2>/dev/null || :
head -c 10 /dev/urandom > grown && fallocate -l 300000 grown 2>/dev/null || :
ln large folder/twin
ln -s ../tiny folder/link
for i in $(seq 40); do echo $i > folder/small-$i; done
head -c 100000 /dev/urandom > late
find . -type f ! -name sums -exec sha256sum {} + > sums
`;

/** How many of them there are, without the list of their sums. */
export const RESULT_FILES = 53;

/** A line of that list. */
export function sum({ path, sha256 }: Artifact): string {
  return `${sha256}  ./${path}`;
}
