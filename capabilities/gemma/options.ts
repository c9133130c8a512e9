import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { ChatMessage } from '../../src/engine/capability.ts';
import { fail } from '../fail.ts';
import { integerOf, isJsonObject } from '../payload.ts';

/** What a caller may set; the rest (threads, memory, GPU) is the operator's business. */
const NUMBERS: Record<string, { min: number; max: number; integer: boolean }> = {
  temperature: { min: 0, max: 2, integer: false },
  top_p: { min: 0, max: 1, integer: false },
  min_p: { min: 0, max: 1, integer: false },
  repeat_penalty: { min: 0, max: 2, integer: false },
  top_k: { min: 1, max: 1_000, integer: true },
  seed: { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true },
  num_predict: { min: 1, max: 8_192, integer: true },
};
const MAX_STOPS = 8;
const MAX_STOP_CHARS = 64;
/** Tokens of an answer unless the caller says otherwise. */
const DEFAULT_ANSWER_TOKENS = 1_024;
/** Tokens of prompt and answer together: what Gemma reads well on a small machine. */
const CONTEXT_TOKENS = { default: 16_384, min: 1_024, max: 131_072 };
/** UTF-8 bytes a token stands for at least; more in English prose. */
const BYTES_PER_TOKEN = 3;

/** The caller's options over `defaults`, checked. Throws `invalid_payload`. */
export function modelOptions(payload: JsonObject, defaults: JsonObject = {}): JsonObject {
  const asked = payload.options ?? {};
  if (!isJsonObject(asked)) throw fail('invalid_payload', '"options" must be an object.');
  for (const [name, value] of Object.entries(asked)) {
    if (!(name === 'stop' ? isStops(value) : isInRange(NUMBERS, name, value))) {
      throw fail(
        'invalid_payload',
        `The option "${name.slice(0, 64)}" is not allowed, or its value is out of range.`,
      );
    }
  }
  return { num_predict: DEFAULT_ANSWER_TOKENS, ...defaults, ...asked };
}

/**
 * Sets the context so that the whole prompt fits, since a model server silently drops what does not. Throws
 * `too_large` where it cannot.
 */
export function withContext(
  options: JsonObject,
  messages: readonly ChatMessage[],
  config: JsonObject,
): JsonObject {
  const limit = integerOf(config, 'contextTokens', CONTEXT_TOKENS);
  const bytes = messages.reduce((sum, message) => sum + Buffer.byteLength(message.content) + 32, 0);
  const needed = Math.ceil(bytes / BYTES_PER_TOKEN) + Number(options.num_predict);
  if (needed > limit) {
    throw fail('too_large', `The text needs about ${needed} tokens of context; this node allows ${limit}.`);
  }
  // Powers of two, so that the server need not load the model anew for each length.
  return { ...options, num_ctx: Math.min(limit, Math.max(4_096, 2 ** Math.ceil(Math.log2(needed)))) };
}

function isInRange(ranges: typeof NUMBERS, name: string, value: unknown): boolean {
  const range = Object.hasOwn(ranges, name) ? ranges[name] : undefined;
  if (range === undefined || typeof value !== 'number' || !(value >= range.min && value <= range.max))
    return false;
  return !range.integer || Number.isInteger(value);
}

function isStops(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > MAX_STOPS) return false;
  return value.every((stop) => typeof stop === 'string' && stop.length > 0 && stop.length <= MAX_STOP_CHARS);
}
