import { afterEach, beforeEach, describe } from 'vitest';
import { bigBlobs, blobs } from './store/blobs.ts';
import { forgetting } from './store/forgetting.ts';
import { logs } from './store/logs.ts';
import { listings, records } from './store/records.ts';
import { names, refusals } from './store/refusals.ts';
import type { StoreUnderTest } from './store/under-test.ts';

/** What every store must do, whatever it is made of. */
export function storeContract(name: string, create: () => Promise<StoreUnderTest>): void {
  describe(`store contract: ${name}`, () => {
    let under: StoreUnderTest;
    beforeEach(async () => {
      under = await create();
    });
    afterEach(() => under.cleanup());
    blobs(() => under);
    bigBlobs(() => under);
    refusals(() => under);
    names(() => under);
    records(() => under);
    listings(() => under);
    logs(() => under);
    forgetting(() => under);
  });
}
