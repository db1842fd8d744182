// Makes a toolkit in a process of its own: arguments are the kernel as JSON and the path of the toolkit.
import { toolkitInitramfs } from '../../guest/toolkit.ts';
import { SlipwayFailure } from '../../schema/failures.ts';

const [kernel = '', into = ''] = process.argv.slice(2);
try {
  await toolkitInitramfs({ kernel: JSON.parse(kernel), filesystemModules: ['ext4'], into });
  console.log('made');
} catch (error) {
  if (!(error instanceof SlipwayFailure)) throw error;
  console.log(`${error.type}: ${error.message}`);
}
