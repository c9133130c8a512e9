import { type ErrorBody, isErrorCode } from '../../protocols/common/v1/errors.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { MeshError, toErrorBody } from '../lib/errors.ts';

/**
 * What a receipt and a caller may learn about anything thrown. An engine's `MeshError` is told as it is. Capability
 * code says the same with `Object.assign(new Error(sentence), { code })`; of that the first line is kept, and only
 * with a known code. Everything else is `internal`, without a word of it.
 */
export function describeFailure(thrown: unknown): ErrorBody {
  if (!(thrown instanceof MeshError) && thrown instanceof Error) {
    const code: unknown = Object.getOwnPropertyDescriptor(thrown, 'code')?.value;
    const message = String(thrown.message).split('\n', 1)[0]?.trim() ?? '';
    if (typeof code === 'string' && isErrorCode(code) && message !== '')
      return { code, message: cut(message) };
  }
  const body = toErrorBody(thrown);
  return { ...body, message: cut(body.message) };
}

/** A cut in the middle of a character would leave what no signed document may hold. */
function cut(message: string): string {
  return message.slice(0, LIMITS.errorMessageChars).toWellFormed();
}
