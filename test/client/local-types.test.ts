import { expect, it } from 'vitest';
import { withContainers } from '../../client/local-farm.ts';
import { parseConfiguration } from '../../workers/configuration.ts';

it.each([
  ['', ['kvm', 'container', 'qemu']],
  ['vm: {types: [qemu]}', ['container', 'qemu']],
  ['vm: {types: [kvm]}', ['kvm', 'container']],
  ['vm: {types: [qemu, container]}', ['qemu', 'container']],
])("a person's own machine offers containers too: %s", (text, types) => {
  const { vm } = parseConfiguration(text, 'slipway.yaml');
  const configuration = { vm } as Parameters<typeof withContainers>[0];
  expect(withContainers(configuration).vm.types).toEqual(types);
  // A worker offers what its operator lists.
  expect(configuration.vm.types).toEqual(vm.types);
  if (!text.includes('container')) expect(vm.types).not.toContain('container');
});
