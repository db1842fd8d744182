/** Binary units, in bytes. */
const UNITS = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;
type Unit = keyof typeof UNITS;

/**
 * Bytes of a size as people write it: `4 GiB`, `512MiB`, `1.5 TiB`. Only binary units, and never a bare number.
 * @throws RangeError that says what to write instead
 */
export function parseSize(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(text);
  if (match === null) throw new RangeError(`"${text}" is not a size: write a number and a unit, as in 4 GiB`);
  const [, number = '', unit = ''] = match;
  if (!Object.hasOwn(UNITS, unit)) throw new RangeError(wrongUnit(text, number, unit));
  const bytes = Math.round(Number.parseFloat(number) * UNITS[unit as Unit]);
  if (!Number.isSafeInteger(bytes)) throw new RangeError(`"${text}" is too large a size`);
  return bytes;
}

/**
 * Whole MiB of a size.
 * @throws RangeError as `parseSize`, and where it is not a whole number of MiB
 */
export function parseMiB(text: string): number {
  const mebibytes = parseSize(text) / UNITS.MiB;
  if (!Number.isInteger(mebibytes)) throw new RangeError(`"${text}" is not a whole number of MiB`);
  return mebibytes;
}

/** A number of MiB in the largest unit that shows it exactly: `4 GiB`, `1536 MiB`. */
export function formatMiB(mebibytes: number): string {
  if (mebibytes !== 0 && mebibytes % 1024 ** 2 === 0) return `${mebibytes / 1024 ** 2} TiB`;
  if (mebibytes !== 0 && mebibytes % 1024 === 0) return `${mebibytes / 1024} GiB`;
  return `${mebibytes} MiB`;
}

function wrongUnit(text: string, number: string, unit: string): string {
  const meant = (Object.keys(UNITS) as Unit[]).find((known) => known[0] === unit[0]?.toUpperCase()) ?? 'GiB';
  const reason = unit === '' ? 'has no unit' : `has the unknown unit "${unit}"`;
  return `"${text}" ${reason}: the units are KiB, MiB, GiB and TiB; write for instance ${number} ${meant}`;
}
