import { readFile } from 'node:fs/promises';
import { UsageError } from './exit-codes.ts';

/** A request file. @throws UsageError where it is no JSON object */
export async function readRequest(file: string): Promise<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch (error) {
    throw new UsageError(`The request ${file} cannot be read: ${(error as Error).message}`);
  }
  throw new UsageError(
    `The request ${file} is no JSON object.`,
    'slipway schema request shows what it may say.',
  );
}

/** Whether a value of it has fields. */
export function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
