import type { ErrorBody, ErrorCode } from '../../protocols/common/v1/errors.ts';

/** A refusal that a caller must expect. */
export interface Refused {
  ok: false;
  error: ErrorBody;
}

export function refuse(code: ErrorCode, message: string, detail?: unknown): Refused {
  return { ok: false, error: detail === undefined ? { code, message } : { code, message, detail } };
}
