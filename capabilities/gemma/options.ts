import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { Think } from '../../src/engine/capability.ts';
import { fail } from '../fail.ts';
import { integerOf, isJsonObject } from '../payload.ts';

/** What a caller may set; the rest (threads, memory, GPU) is the operator's business. */
const NUMBERS: Record<string, { min: number; max: number; integer: boolean }> = {
  temperature: { min: 0, max: 2, integer: false },
  top_p: { min: 0, max: 1, integer: false },
  min_p: { min: 0, max: 1, integer: false },
  repeat_penalty: { min: 0, max: 2, integer: false },
  top_k: { min: 1, max: 1_000, integer: true },
  // 32 bits, of which the last value means "any".
  seed: { min: 0, max: 4_294_967_294, integer: true },
  num_predict: { min: 1, max: 8_192, integer: true },
};
const MAX_STOPS = 8;
const MAX_STOP_CHARS = 64;
/** Tokens of an answer unless the caller says otherwise. */
export const DEFAULT_ANSWER_TOKENS = 1_024;
/** Tokens of prompt and answer together that an operator may allow. */
const CONTEXT_TOKENS = { min: 512, max: 16_777_216 };
/** A model may be kept loaded for an hour by whoever uses it; longer is the operator's business. */
const MAX_KEEP_ALIVE_SECONDS = 3_600;
const UNITS = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3_600],
]);
const DEGREES: readonly unknown[] = ['low', 'medium', 'high'] satisfies Think[];

/** The caller's options over `defaults`, checked. Throws `invalid_payload`. */
export function modelOptions(
  payload: JsonObject,
  defaults: JsonObject = {},
): JsonObject & { num_predict: number } {
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
  const { num_predict: answer } = asked;
  const num_predict = typeof answer === 'number' ? answer : DEFAULT_ANSWER_TOKENS;
  return { ...defaults, ...asked, num_predict };
}

/** The operator's limit of context, as a part of a request; without one the model's own holds. */
export function contextLimit(config: JsonObject): { contextTokens?: number } {
  if (config.contextTokens === undefined) return {};
  return {
    contextTokens: integerOf(config, 'contextTokens', { ...CONTEXT_TOKENS, default: CONTEXT_TOKENS.max }),
  };
}

/** `think` and `keep_alive`, as parts of a request. Throws `invalid_payload`. */
export function loadOptions({ think, keep_alive: keep }: JsonObject): { think?: Think; keepAlive?: number } {
  if (think !== undefined && !isThink(think)) {
    throw fail('invalid_payload', '"think" must be true, false, "low", "medium" or "high".');
  }
  return {
    ...(think !== undefined && { think }),
    ...(keep !== undefined && { keepAlive: secondsOf(keep) }),
  };
}

/** Seconds as a number, or as a text such as `90s`, `5m`, `1h`. */
function secondsOf(value: unknown): number {
  const [, digits, unit = ''] = typeof value === 'string' ? (/^(\d{1,4})([smh])$/.exec(value) ?? []) : [];
  const seconds = typeof value === 'number' ? value : Number(digits) * (UNITS.get(unit) ?? Number.NaN);
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= MAX_KEEP_ALIVE_SECONDS) return seconds;
  throw fail('invalid_payload', '"keep_alive" must be 0 to 3600 seconds, or a text such as "5m".');
}

function isThink(value: unknown): value is Think {
  return typeof value === 'boolean' || DEGREES.includes(value);
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
