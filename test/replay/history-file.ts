import { readFileSync, writeFileSync } from 'node:fs';
import proto from '@temporalio/proto';
import { CODE } from '../../workers/configuration.ts';

const { History } = proto.temporal.api.history.v1;
type History = ReturnType<typeof History.fromObject>;

/**
 * A history as readable JSON. Not the SDK's `historyToJSON`: with two copies of protobufjs installed, as npm lays them
 * out here, it takes its own type for a foreign one.
 */
export function writeHistory(path: string, history: proto.temporal.api.history.v1.IHistory): void {
  const plain = History.toObject(History.fromObject(history), {
    enums: String,
    longs: String,
    bytes: String,
  });
  // Stacks of failures name files by where this checkout happens to lie.
  writeFileSync(path, `${JSON.stringify(plain, null, 1).replaceAll(CODE, '')}\n`);
}

/** `change`: applied to the text before it is read. */
export function readHistory(path: string, change: (text: string) => string = (text) => text): History {
  return History.fromObject(JSON.parse(change(readFileSync(path, 'utf8'))));
}
