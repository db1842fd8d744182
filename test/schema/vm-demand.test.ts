import { expect, it } from 'vitest';
import { BuildRequest, type BuildRequestInput } from '../../schema/request.ts';

const recipe = { kind: 'debian', source: { name: 'hello' } } as const;

it.each([
  ['nothing', undefined, { isolation: 'emulated' }],
  ['a virtual machine', { type: 'kvm' }, { type: 'kvm', isolation: 'emulated' }],
  ['a container by name', { type: 'container' }, { type: 'container', isolation: 'shared-kernel' }],
  ['what a container has', { isolation: 'shared-kernel' }, { isolation: 'shared-kernel' }],
  ['more', { isolation: 'secure' }, { isolation: 'secure' }],
] as const)('a request that demands %s accepts no less than it says', (_, vm, accepted) => {
  const request: BuildRequestInput = { recipe, ...(vm === undefined ? {} : { vm }) };
  expect(BuildRequest.parse(request).vm).toEqual(accepted);
  // What the workflow hands on is a request again.
  expect(BuildRequest.parse(BuildRequest.parse(request)).vm).toEqual(accepted);
});
