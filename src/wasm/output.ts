import type { ErrorCode } from '../../protocols/common/v1/errors.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { JsonValue } from '../../protocols/common/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import { parseJson } from '../lib/json.ts';

/** A module's output as text. Throws `fault` where it is not UTF-8. */
export function textOf(output: Uint8Array, fault: ErrorCode): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(output);
  } catch {
    throw new MeshError(fault, 'The module gave what is not text in UTF-8.');
  }
}

/** A module's output as JSON. Throws `fault` with what is wrong with it. */
export function jsonOf(output: Uint8Array, fault: ErrorCode): JsonValue {
  const text = textOf(output, fault);
  try {
    return parseJson(text, { maxBytes: LIMITS.resultBytes, maxDepth: LIMITS.jsonDepth });
  } catch (error) {
    const reason = error instanceof MeshError ? ` ${error.message}` : '';
    throw new MeshError(fault, `The module gave what is not JSON.${reason}`);
  }
}
