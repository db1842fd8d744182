import { ext4 } from '../../images/ext4.ts';
import { createSparseFile } from '../../images/sparse-file.ts';
import { SlipwayFailure } from '../../schema/failures.ts';

/** Makes a disk of 64 MiB, fills it and prints how that failed: for tests that take something from the process. */
const [disk = '', tree = ''] = process.argv.slice(2);
try {
  await createSparseFile(disk, 64);
  await ext4.copyIn(disk, tree, { signal: new AbortController().signal, report: () => {} });
} catch (error) {
  process.stdout.write(error instanceof SlipwayFailure ? `${error.type}: ${error.message}` : `${error}`);
}
