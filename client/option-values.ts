import { InvalidArgumentError } from 'commander';
import { parseSize } from '../schema/size.ts';
import { parseSeconds } from './durations.ts';

/** Seconds of a duration such as `90 d`. @throws InvalidArgumentError */
export function seconds(value: string): number {
  return argument(parseSeconds, value);
}

/** Bytes of a size such as `20 GiB`. @throws InvalidArgumentError */
export function bytes(value: string): number {
  return argument(parseSize, value);
}

function argument(parse: (text: string) => number, value: string): number {
  try {
    return parse(value);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
