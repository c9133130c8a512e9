import type { JsonObject, JsonValue } from '../protocols/common/v1/schema.ts';
import { fail } from './fail.ts';

/** The manifest's schema was enforced before; these narrow the type and refuse what a schema would have refused. */
export function stringOf(payload: JsonObject, key: string): string | undefined {
  const value = payload[key];
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw fail('invalid_payload', `"${key}" must be a string.`);
  return value;
}

export function requiredString(payload: JsonObject, key: string): string {
  const value = stringOf(payload, key);
  if (value === undefined) throw fail('invalid_payload', `"${key}" is missing.`);
  return value;
}

export function integerOf(
  payload: JsonObject,
  key: string,
  range: { default: number; min: number; max: number },
): number {
  const value = payload[key] ?? range.default;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < range.min || value > range.max) {
    throw fail('invalid_payload', `"${key}" must be a whole number from ${range.min} to ${range.max}.`);
  }
  return value;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
