import { expect, test } from 'vitest';
import { fitting } from '../../activities/extract-artifacts.ts';
import type { Artifact } from '../../schema/result.ts';

function artifacts(count: number, nameLength: number): Artifact[] {
  return Array.from({ length: count }, (_, number) => ({
    path: `${number}`.padStart(nameLength, 'a'),
    kind: 'file' as const,
    size: 1,
    sha256: '0'.repeat(64),
    executable: false,
  }));
}

test('a list of artifacts that no result could carry through Temporal is rejected', () => {
  expect(fitting(artifacts(5000, 100))).toHaveLength(5000);
  expect(() => fitting(artifacts(600, 3000))).toThrow(
    expect.objectContaining({
      type: 'ArtifactsRejected',
      message: expect.stringMatching(/^the list of 600 /),
    }),
  );
});
