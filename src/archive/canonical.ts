import type { JsonValue } from '../../protocols/common/v1/schema.ts';
import { canonicalText } from '../lib/canonical.ts';

const encoder = new TextEncoder();

/** UTF-8 of the RFC 8785 form; what hashes and signatures are made over (archive-v0.6 "Primitives"). */
export function canonicalBytes(value: JsonValue): Uint8Array {
  return encoder.encode(canonicalText(value));
}

/** One text and then bytes, as one buffer. */
export function joined(prefix: string, ...parts: Uint8Array[]): Uint8Array {
  const head = encoder.encode(prefix);
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, head.length));
  whole.set(head);
  let offset = head.length;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
