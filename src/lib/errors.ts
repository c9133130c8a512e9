import type { ErrorBody, ErrorCode } from '../../protocols/common/v1/errors.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { cutText } from './text.ts';

/** A fault or refusal with a stable code. `message` is one sentence; `detail` is JSON-safe data for a caller. */
export class MeshError extends Error {
  readonly code: ErrorCode;
  readonly detail?: unknown;

  constructor(code: ErrorCode, message: string, detail?: unknown, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MeshError';
    this.code = code;
    if (detail !== undefined) this.detail = detail;
  }
}

/** What may leave the process about any thrown value: unknown faults become `internal`, with no inner text. */
export function toErrorBody(thrown: unknown): ErrorBody {
  if (!(thrown instanceof MeshError)) return { code: 'internal', message: 'An internal error occurred.' };
  const message = cutText(thrown.message, LIMITS.errorMessageChars);
  return thrown.detail === undefined
    ? { code: thrown.code, message }
    : { code: thrown.code, message, detail: thrown.detail };
}

/** The system's name for what it refused, such as `ENOENT`, else what it says. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code);
  return error instanceof Error ? error.message : String(error);
}

/** Where an error was thrown, without what it says. */
export function framesOf({ message, stack = '' }: Error): string {
  const frames = stack.slice(message === '' ? 0 : stack.indexOf(message) + message.length).split('\n');
  return frames.filter((line) => /^\s+at /.test(line)).join('\n');
}
