import { parseArgs } from 'node:util';
import { GUESTS, type Guest, type LoadOptions } from './options.ts';

export type LoadArguments = Omit<LoadOptions, 'signal' | 'tell'> & { json: boolean };

/** @throws TypeError in words for whoever typed them */
export function loadArguments(argv: readonly string[]): LoadArguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      builds: { type: 'string', default: '1000' },
      capacity: { type: 'string', default: '8' },
      guest: { type: 'string', default: 'fake' },
      ceiling: { type: 'string', default: '200' },
      patience: { type: 'string', default: '300' },
      json: { type: 'boolean', default: false },
    },
  });
  const whole = (name: 'builds' | 'capacity' | 'ceiling' | 'patience', least: number) => {
    const number = Number(values[name]);
    if (Number.isSafeInteger(number) && number >= least) return number;
    throw new TypeError(`--${name} is a whole number of at least ${least}, not ${values[name]}`);
  };
  const { guest, json } = values;
  if (!isGuest(guest)) throw new TypeError(`--guest is one of ${GUESTS.join(', ')}, not ${guest}`);
  return {
    ...{ builds: whole('builds', 1), capacity: whole('capacity', 1), guest },
    ...{ ceiling: whole('ceiling', 0), patienceSeconds: whole('patience', 1), json },
  };
}

function isGuest(name: string): name is Guest {
  return GUESTS.some((guest) => guest === name);
}
