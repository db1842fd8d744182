import { expect, it } from 'vitest';
import { slipwayAsNobody } from '../support/nobody.ts';

it.each([[[]], [['--output', 'out/of/here']]])(
  'refuses a folder that it cannot write before the build and not after it: %j',
  async (options) => {
    const { exitCode, stderr } = await slipwayAsNobody(['build', 'hello', ...options]);
    expect(stderr).toContain('The results cannot be written into /: EACCES');
    expect(stderr).toContain('--output');
    expect(exitCode).toBe(2);
  },
);
