const UNITS = { s: 1, min: 60, h: 3600, d: 86_400 } as const;

/**
 * Whole seconds of a duration as people write it: `90 s`, `30min`, `8 h`, `2d`.
 * @throws RangeError that says what to write instead
 */
export function parseSeconds(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*$/.exec(text);
  if (match === null) {
    throw new RangeError(`"${text}" is not a duration: write a number and s, min, h or d, as in 30 min`);
  }
  const [, number = '', unit = 's'] = match;
  const seconds = Number.parseFloat(number) * UNITS[unit as keyof typeof UNITS];
  if (!Number.isInteger(seconds)) throw new RangeError(`"${text}" is not a whole number of seconds`);
  return seconds;
}
