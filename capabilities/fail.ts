import type { ErrorCode } from '../protocols/common/v1/errors.ts';

/** An error the engine reports under its own code: `message` is one sentence a person can act on. */
export function fail(code: ErrorCode, message: string, options?: ErrorOptions): Error & { code: ErrorCode } {
  return Object.assign(new Error(message, options), { code });
}
