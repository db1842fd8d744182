import { parentPort } from 'node:worker_threads';
import { type Copied, type CopyTask, copyFile, type JobShare } from './copy-task.ts';
import { HashRing, type RingMemory } from './hash-ring.ts';

/** Files to write, and what the job that they are of shares with its threads. */
export interface CopyMessage {
  tasks: CopyTask[];
  share: JobShare;
  /** To the thread that hashes, sent before the first file that is to be hashed beside. */
  ring?: RingMemory;
}

/** What a thread answers: one for each file, or why there is none. An error of the system keeps its code. */
export type CopyAnswer = { copied: Copied[] } | { error: { message: string; code?: string } };

/** A thread that writes files, as many as it is sent at a time. */
let ring: HashRing | undefined;
parentPort?.on('message', (message: CopyMessage) => parentPort?.postMessage(answer(message)));

function answer({ tasks, share, ring: memory }: CopyMessage): CopyAnswer {
  try {
    if (memory !== undefined) ring = new HashRing(memory);
    return { copied: tasks.map((task) => copyFile(task, share, ring)) };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    return { error: { message, ...(code === undefined ? {} : { code }) } };
  }
}
