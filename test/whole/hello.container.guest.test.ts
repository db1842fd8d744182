import { release } from 'node:os';
import { helloIsBuilt } from './hello.ts';

helloIsBuilt('a container', {
  vm: { type: 'container', isolation: 'shared-kernel' },
  options: ['--vm', 'container'],
  kernel: release(),
  rebuilt: true,
});
