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

/** All values of an option that can be given again and again. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** Words with commas between. */
export function words(value: string): string[] {
  return value.split(',').map((word) => word.trim());
}

/** @throws InvalidArgumentError */
export function whole(value: string): number {
  if (!/^[0-9]+$/.test(value)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(value);
}

function argument(parse: (text: string) => number, value: string): number {
  try {
    return parse(value);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Text of a help: the line ends of the source are blanks, empty lines divide paragraphs. */
export function paragraphs(text: string): string {
  return text.replaceAll(/(?<!\n)\n(?!\n)/g, ' ');
}
