import { ERROR_CODES, type ErrorBody, type ErrorCode } from '../../../protocols/common/v1/errors.ts';

/** Codes of failures before any code of a capability ran; code that did run cannot give them (engine/failure.ts). */
const BEFORE_THE_RUN: ReadonlySet<ErrorCode> = new Set([
  'busy',
  'capability_unavailable',
  'integrity_lock',
  'invalid_request',
]);

/** Whether the same node may succeed later. */
export function canPass({ code }: ErrorBody): boolean {
  return ERROR_CODES[code].passing;
}

/** Whether a failed execution is known not to have begun, by the word of whoever failed. */
export function neverBegan({ code }: ErrorBody): boolean {
  return BEFORE_THE_RUN.has(code);
}

export function cancelled(): ErrorBody {
  return { code: 'cancelled', message: 'The capsule was cancelled.' };
}

/** `last`: what kept it from being done before. */
export function expired(last: ErrorBody | null): ErrorBody {
  if (last === null) return { code: 'expired', message: 'The capsule expired before it was done.' };
  const message = `The capsule expired before it was done; before that: ${last.message}`.slice(0, 512);
  return { code: 'expired', message, detail: { last: { code: last.code, message: last.message } } };
}

/** Of work that may not run twice, in a chain that executors continue. */
export function continueAtSubmitter(): ErrorBody {
  const message = 'A step that may not run twice is continued by the submitter of its chain only.';
  return { code: 'continue_at_submitter', message };
}

/** Of work that may not run twice. */
export function interrupted(): ErrorBody {
  const message = 'It may have been run, with an outcome that cannot be learnt, and may not run twice.';
  return { code: 'interrupted', message };
}
