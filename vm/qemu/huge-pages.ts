import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { SlipwayFailure } from '../../schema/failures.ts';
import { formatMiB } from '../../schema/size.ts';

/** Huge pages of the kernel's default size (`true`), or of so many MiB. */
export type HugePages = true | number;

/** What the kernel has of one size. */
export interface HugePagePool {
  /** Of one page. */
  sizeMiB: number;
  total: number;
  /** That nobody has and nobody was promised. */
  free: number;
}

const POOLS = '/sys/kernel/mm/hugepages';

/** @throws SlipwayFailure HostUnfit where the kernel has no pages of that size */
export function hugePagePool(wanted: HugePages): HugePagePool {
  const sizeKiB = wanted === true ? defaultKiB() : wanted * 1024;
  const pool = `${POOLS}/hugepages-${sizeKiB}kB`;
  if (!existsSync(pool)) {
    const sizes = existsSync(POOLS) ? readdirSync(POOLS).flatMap((name) => sizeOf(name)) : [];
    throw new SlipwayFailure(
      'HostUnfit',
      `the kernel of the host has no huge pages of ${formatMiB(sizeKiB / 1024)}`,
      {
        advice:
          sizes.length === 0
            ? 'It has none at all: set vm.hugePages to false.'
            : `Set vm.hugePages to one of ${sizes.join(', ')}.`,
      },
    );
  }
  const count = (file: string) => Number(readFileSync(`${pool}/${file}`, 'latin1'));
  const free = Math.max(0, count('free_hugepages') - count('resv_hugepages'));
  return { sizeMiB: sizeKiB / 1024, total: count('nr_hugepages'), free };
}

/** Pages that a guest of so much memory takes. */
export function pagesFor(memoryMiB: number, { sizeMiB }: Pick<HugePagePool, 'sizeMiB'>): number {
  return Math.ceil(memoryMiB / sizeMiB);
}

/** @throws SlipwayFailure HostUnfit where not enough are free now, with how to reserve them */
export function requireHugePages(memoryMiB: number, wanted: HugePages): void {
  const pool = hugePagePool(wanted);
  const pages = pagesFor(memoryMiB, pool);
  if (pages <= pool.free) return;
  const size = formatMiB(pool.sizeMiB);
  throw new SlipwayFailure(
    'HostUnfit',
    `the guest wants ${pages} huge pages of ${size}, ${pool.free} of ${pool.total} are free`,
    { advice: howToReserve(pool, pool.total + pages - pool.free) },
  );
}

/** How an operator has the kernel keep so many pages of that size. */
export function howToReserve({ sizeMiB }: Pick<HugePagePool, 'sizeMiB'>, pages: number): string {
  return (
    `Reserve them: echo ${pages} >${POOLS}/hugepages-${sizeMiB * 1024}kB/nr_hugepages ` +
    `(best at boot: hugepagesz=${sizeMiB}M hugepages=${pages}), lower capacity.memory, or set vm.hugePages to false.`
  );
}

function defaultKiB(): number {
  const found = /^Hugepagesize:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1];
  if (found !== undefined) return Number(found);
  throw new SlipwayFailure('HostUnfit', 'the kernel of the host has no huge pages', {
    advice: 'Set vm.hugePages to false, or boot a kernel with CONFIG_HUGETLBFS.',
  });
}

function sizeOf(name: string): string[] {
  const kib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]);
  return kib >= 1024 ? [formatMiB(kib / 1024)] : [];
}
