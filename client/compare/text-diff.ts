import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Workshop } from './workshop.ts';

const SECONDS = 60;

/** Two texts and what they are called. */
export interface TextPair {
  name: string;
  first: string;
  second: string;
  /** Unchanged lines around a change; default 3. */
  context?: number;
}

/** `diff -u` of two texts; empty where they are the same. */
export async function textDiff(
  workshop: Workshop,
  { name, first, second, context = 3 }: TextPair,
): Promise<string> {
  if (first === second) return '';
  const paths = [join(workshop.folder, 'first.txt'), join(workshop.folder, 'second.txt')] as const;
  await writeFile(paths[0], first);
  await writeFile(paths[1], second);
  for (const path of paths) await workshop.show(path);
  const labels = ['--label', `first/${name}`, '--label', `second/${name}`];
  const argv = ['diff', '--text', `--unified=${context}`, ...labels, ...paths];
  const { stdout } = await workshop.run(argv, { seconds: SECONDS, accept: [1] });
  return stdout;
}
