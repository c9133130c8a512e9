import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { canonicalJson, deepFreeze, describeProblem, jsonProblem } from '../lib/json.ts';
import type { EngineCapability } from './module.ts';

/** A result travels inside a message and may become part of a payload: both must stay within `jsonDepth`. */
const MAX_RESULT_DEPTH = LIMITS.jsonDepth - 16;

export interface SoundResult {
  /** Frozen I-JSON. */
  value: unknown;
  /** SHA-256 of its canonical form. */
  hash: string;
}

/** `internal` for what is no JSON, or nested too deeply; null for what is fine. */
export function resultProblem(value: unknown): MeshError | null {
  const problem = jsonProblem(value, MAX_RESULT_DEPTH);
  return problem && new MeshError('internal', describeProblem('The result of the capability', problem));
}

/** Throws `internal` for what is no JSON or not what the manifest promises, `too_large` above `LIMITS.resultBytes`. */
export function checkResult(value: unknown, capability: EngineCapability, crypto: Crypto): SoundResult {
  const problem = resultProblem(value);
  if (problem !== null) throw problem;
  const mismatch = capability.checkOutput(value);
  if (mismatch !== null) {
    throw new MeshError('internal', `The result is not what ${capability.spec.id} promises: ${mismatch}.`);
  }
  const canonical = canonicalJson(value);
  if (Buffer.byteLength(canonical) > LIMITS.resultBytes) {
    throw new MeshError('too_large', `The result has more than ${LIMITS.resultBytes} bytes.`);
  }
  return { value: deepFreeze(value), hash: crypto.sha256Hex(canonical) };
}
