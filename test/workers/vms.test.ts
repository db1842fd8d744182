import { utimes } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { parseConfiguration } from '../../workers/configuration.ts';
import { createVm, standingOf } from '../../workers/vms.ts';
import { emulatorScript } from '../support/emulator-script.ts';

const vmOf = (text: string) => parseConfiguration(text, 'slipway.yaml').vm;

it('an emulator has the isolation that its operator declares', () => {
  const vm = vmOf(
    'vm: {types: [emulator], emulator: {program: /bin/run-guest, isolation: user-space-kernel}}',
  );
  expect(createVm('emulator', vm)).toMatchObject({ type: 'emulator', isolation: 'user-space-kernel' });
});

it('what an operator changes beside the configuration has the VM types proven anew', async () => {
  await using program = await emulatorScript('#!/bin/sh\n');
  const vm = vmOf(
    `vm: {types: [emulator], emulator: {program: ${program.path}, isolation: emulated}, hugePages: true}`,
  );
  const before = JSON.stringify(standingOf(vm));
  expect(JSON.stringify(standingOf(vm))).toBe(before);
  await utimes(program.path, 1000, 1000);
  expect(JSON.stringify(standingOf(vm))).not.toBe(before);
  expect(standingOf(vm)).toMatchObject({ hugePages: expect.any(Number) });
  expect(standingOf(vmOf('vm: {hugePages: 3 MiB}'))).toEqual({ hugePages: 0 });
  expect(standingOf(vmOf(''))).toEqual({});
});
