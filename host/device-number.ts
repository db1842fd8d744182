/** Major and minor number of a device, as the kernel names it in /sys/dev and mountinfo. */
export interface DeviceNumber {
  major: number;
  minor: number;
}

/** Splits a device number as makedev(3) puts it together: both parts are split around each other. */
export function deviceNumber(device: bigint): DeviceNumber {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  };
}
