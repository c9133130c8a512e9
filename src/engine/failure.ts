import { type ErrorBody, type ErrorCode, isErrorCode } from '../../protocols/common/v1/errors.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { MeshError, toErrorBody } from '../lib/errors.ts';
import { cutText } from '../lib/text.ts';
import { RoomFailure } from './runners/room-failure.ts';

/** By these a coordinator knows that nothing was begun, and has the work done elsewhere. */
const NOT_BEGUN: ReadonlySet<ErrorCode> = new Set([
  'busy',
  'capability_unavailable',
  'integrity_lock',
  'invalid_request',
]);

/**
 * What a receipt and a caller may learn about anything thrown. An engine's `MeshError` is told as it is. Capability
 * code says the same with `Object.assign(new Error(sentence), { code })`; of that the first line is kept, and only
 * with a known code; of work that was `begun` and may not run twice, with none that denies it. Everything else is
 * `internal`, without a word of it.
 */
export function describeFailure(thrown: unknown, begun = false): ErrorBody {
  if (!(thrown instanceof MeshError) && thrown instanceof Error) {
    const code: unknown = Object.getOwnPropertyDescriptor(thrown, 'code')?.value;
    const message = String(thrown.message).split('\n', 1)[0]?.trim() ?? '';
    if (typeof code === 'string' && isErrorCode(code) && !(begun && NOT_BEGUN.has(code)) && message !== '') {
      const told = { code, message: cutText(message, LIMITS.errorMessageChars) };
      const detail = thrown instanceof RoomFailure ? thrown.detail : undefined;
      return detail === undefined ? told : { ...told, detail };
    }
  }
  return toErrorBody(thrown);
}
