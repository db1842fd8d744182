import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { ignoreMissing, writeFileAtomic } from '../host/atomic-file.ts';
import { SharedWork } from '../host/shared-work.ts';

/** How many are remembered in one folder; of more, those used longest ago go. */
const MOST = 1000;

/** How many go at a time, so that not every new one looks at all. */
const AT_ONCE = 200;

const running = new SharedWork<unknown>();

/**
 * Answers that were once found, by their questions, in a folder that stands for all else that they depend on. What cannot
 * be read, is damaged or is no such answer is as if it were not there. The same question at the same time is asked once.
 */
export class Answers {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * @param question JSON; all that the answer depends on beside the folder
   * @param find asked where nothing is remembered; what it throws is not remembered
   */
  async of<Answer>(
    question: readonly unknown[],
    schema: z.ZodType<Answer>,
    signal: AbortSignal,
    find: (signal: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    const path = join(this.#folder, digestOf(JSON.stringify(question)));
    const known = schema.safeParse(await read(path));
    if (known.success) return known.data;
    const found = await running.run(path, signal, async (shared) => {
      const answer = await find(shared);
      await this.#write(path, JSON.stringify(answer));
      return answer;
    });
    return found as Answer;
  }

  async #write(path: string, text: string): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await writeFileAtomic(path, `${digestOf(text)}\n${text}`);
    await this.#shrink();
  }

  async #shrink(): Promise<void> {
    const names = await readdir(this.#folder);
    if (names.length <= MOST) return;
    const used = await Promise.all(
      names.map(async (name) => ({
        name,
        at: (await stat(join(this.#folder, name)).catch(ignoreMissing))?.mtimeMs ?? 0,
      })),
    );
    const oldest = used.sort((a, b) => a.at - b.at).slice(0, names.length - MOST + AT_ONCE);
    await Promise.all(oldest.map(({ name }) => rm(join(this.#folder, name), { force: true })));
  }
}

/** What is remembered; undefined where nothing is, or it is damaged. */
async function read(path: string): Promise<unknown> {
  const content = await readFile(path, 'utf8').catch(ignoreMissing);
  if (content === undefined) return undefined;
  const end = content.indexOf('\n');
  const text = content.slice(end + 1);
  if (content.slice(0, end) !== digestOf(text)) return undefined;
  const now = new Date();
  await utimes(path, now, now).catch(ignoreMissing);
  return JSON.parse(text);
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
