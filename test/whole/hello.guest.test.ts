import { helloIsBuilt } from './hello.ts';

/** Without its own tests: under TCG each fork of those costs thirty times what it costs elsewhere. */
helloIsBuilt('a guest of QEMU', {
  vm: { type: 'qemu', isolation: 'emulated' },
  options: ['--vm', 'qemu', '--build-option', 'nocheck'],
  kernel: '-cloud-amd64',
});
