/**
 * Stable error codes (design "Errors"). Every refusal, on the wire, in HTTP and on the command line, is
 * `{code, message, detail?}`. `retryElsewhere` says whether another node may succeed where this one refused, `passing`
 * whether this one may later, with nothing changed in what was asked; `http` and `exit` are the surfaces' renderings of the code.
 */
export const ERROR_CODES = {
  invalid_json: { retryElsewhere: false, passing: false, http: 400, exit: 2 },
  invalid_request: { retryElsewhere: false, passing: false, http: 400, exit: 2 },
  invalid_capsule: { retryElsewhere: false, passing: false, http: 400, exit: 2 },
  invalid_signature: { retryElsewhere: false, passing: false, http: 400, exit: 1 },
  invalid_receipt: { retryElsewhere: true, passing: false, http: 422, exit: 1 },
  clock_skew: { retryElsewhere: true, passing: true, http: 400, exit: 1 },
  invalid_payload: { retryElsewhere: false, passing: false, http: 422, exit: 1 },
  unsupported_version: { retryElsewhere: false, passing: false, http: 400, exit: 2 },
  unsupported_message: { retryElsewhere: false, passing: false, http: 400, exit: 2 },
  too_large: { retryElsewhere: false, passing: false, http: 413, exit: 2 },
  expired: { retryElsewhere: false, passing: false, http: 410, exit: 1 },
  capability_unavailable: { retryElsewhere: true, passing: true, http: 404, exit: 1 },
  permission_denied: { retryElsewhere: true, passing: false, http: 403, exit: 4 },
  restricted: { retryElsewhere: true, passing: false, http: 403, exit: 4 },
  encrypted_unsupported: { retryElsewhere: false, passing: false, http: 422, exit: 4 },
  payment_required: { retryElsewhere: true, passing: false, http: 402, exit: 4 },
  insufficient_credit: { retryElsewhere: true, passing: true, http: 402, exit: 4 },
  busy: { retryElsewhere: true, passing: true, http: 503, exit: 1 },
  timeout: { retryElsewhere: true, passing: true, http: 504, exit: 1 },
  cancelled: { retryElsewhere: false, passing: false, http: 409, exit: 1 },
  interrupted: { retryElsewhere: true, passing: true, http: 500, exit: 1 },
  no_provider: { retryElsewhere: false, passing: true, http: 503, exit: 1 },
  depth_exceeded: { retryElsewhere: false, passing: false, http: 400, exit: 2 },
  lineage_invalid: { retryElsewhere: false, passing: false, http: 403, exit: 1 },
  continue_at_submitter: { retryElsewhere: false, passing: false, http: 403, exit: 1 },
  template_path_missing: { retryElsewhere: true, passing: false, http: 422, exit: 1 },
  integrity_lock: { retryElsewhere: true, passing: false, http: 503, exit: 1 },
  lease_invalid: { retryElsewhere: false, passing: false, http: 403, exit: 1 },
  invalid_archive: { retryElsewhere: false, passing: false, http: 422, exit: 2 },
  unverified_archive: { retryElsewhere: false, passing: false, http: 422, exit: 1 },
  key_required: { retryElsewhere: false, passing: false, http: 422, exit: 2 },
  not_a_recipient: { retryElsewhere: false, passing: false, http: 403, exit: 4 },
  unauthorized: { retryElsewhere: false, passing: false, http: 401, exit: 4 },
  forbidden_origin: { retryElsewhere: false, passing: false, http: 403, exit: 4 },
  not_found: { retryElsewhere: true, passing: false, http: 404, exit: 1 },
  conflict: { retryElsewhere: false, passing: false, http: 409, exit: 1 },
  rate_limited: { retryElsewhere: true, passing: true, http: 429, exit: 1 },
  unreachable: { retryElsewhere: true, passing: true, http: 502, exit: 3 },
  model_unavailable: { retryElsewhere: true, passing: true, http: 503, exit: 1 },
  storage_failed: { retryElsewhere: true, passing: true, http: 500, exit: 1 },
  config_invalid: { retryElsewhere: false, passing: false, http: 500, exit: 2 },
  data_dir_locked: { retryElsewhere: false, passing: false, http: 500, exit: 2 },
  data_dir_unwritable: { retryElsewhere: false, passing: false, http: 500, exit: 2 },
  store_too_new: { retryElsewhere: false, passing: false, http: 500, exit: 2 },
  store_too_old: { retryElsewhere: false, passing: false, http: 500, exit: 2 },
  address_in_use: { retryElsewhere: false, passing: false, http: 500, exit: 2 },
  usage: { retryElsewhere: false, passing: false, http: 400, exit: 2 },
  internal: { retryElsewhere: true, passing: true, http: 500, exit: 1 },
} as const satisfies Record<
  string,
  { retryElsewhere: boolean; passing: boolean; http: number; exit: 0 | 1 | 2 | 3 | 4 }
>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** What crosses every surface; never a stack trace. `message` is one sentence a person can act on. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  detail?: unknown;
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}
