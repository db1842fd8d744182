import { z } from 'zod';
import { Folder } from './primitives.ts';

/** Where results lie. */
export const StoreConfiguration = z.strictObject({
  directory: Folder.optional().describe('Folder of the store. Default: `<home>/store`'),
});
export type StoreConfiguration = z.infer<typeof StoreConfiguration>;
