import { parentPort, workerData } from 'node:worker_threads';
import { type Copied, type CopyMeans, type CopyTask, copyFile, copyMeans } from './copy-task.ts';
import { HashRing, type RingMemory } from './hash-ring.ts';

/** What a thread is given when it starts. */
export interface CopyThreadData {
  devices: CopyMeans['devices'];
  /** To the thread that hashes; absent in those that have none. */
  ring?: RingMemory;
  stop: SharedArrayBuffer;
  progress: SharedArrayBuffer;
}

/** What it answers to some files: one for each, or why there is none. An error of the system keeps its code. */
export type CopyAnswer = { copied: Copied[] } | { error: { message: string; code?: string } };

/** A thread that writes files, as many as it is sent at a time. */
const { devices, ring, ...shared } = workerData as CopyThreadData;
const means = copyMeans(devices, ring === undefined ? undefined : new HashRing(ring), shared);

parentPort?.on('message', (tasks: CopyTask[]) => parentPort?.postMessage(answer(tasks)));

function answer(tasks: CopyTask[]): CopyAnswer {
  try {
    return { copied: tasks.map((task) => copyFile(task, means)) };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    return { error: { message, ...(code === undefined ? {} : { code }) } };
  }
}
