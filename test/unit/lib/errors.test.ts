import { expect, it } from 'vitest';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { MeshError, toErrorBody } from '../../../src/lib/errors.ts';

it('a sentence that is cut within a character is still one that JSON may hold', () => {
  const before = 'x'.repeat(LIMITS.errorMessageChars - 1);
  const { message } = toErrorBody(new MeshError('internal', `${before}😀`));
  expect(message).toBe(`${before}\u{fffd}`);
});
