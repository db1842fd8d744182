import { readFileSync } from 'node:fs';

/** Seconds since the host booted, suspended time included: a clock that nobody sets. */
export function bootTime(): number {
  return Number.parseFloat(readFileSync('/proc/uptime', 'utf8'));
}

/** The id that the kernel drew at this boot. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
