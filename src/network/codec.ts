import type { JsonValue } from '../../protocols/common/v1/schema.ts';
import type { ExchangeMessage, GossipMessage } from '../../protocols/messages/v1/schema.ts';
import {
  MESSAGE_JSON_DEPTH,
  parseExchangeMessage,
  parseGossip,
  type RefusedMessage,
  refuseNumber,
  wireError,
} from '../capsule/messages.ts';
import { MeshError } from '../lib/errors.ts';
import { describeProblem, inspectJson } from '../lib/json.ts';

/**
 * What a frame turned out to be. `refused` is a proper message that this node does not take: of a type it does not
 * know, or with a document inside that is not acceptable; it is declined by its code and costs nothing. `garbage`
 * costs the sender its connection.
 */
export type Decoded =
  | { kind: 'message'; message: ExchangeMessage }
  | { kind: 'refused'; decline: ExchangeMessage }
  | { kind: 'garbage'; reason: string };

export type DecodedGossip =
  | { kind: 'message'; message: GossipMessage }
  | { kind: 'unknown' }
  | { kind: 'garbage'; reason: string };

/** UTF-8 JSON of a message, its type first (see `kindOf`). Throws `too_large` above `maxBytes`. */
export function encodeMessage(message: ExchangeMessage | GossipMessage, maxBytes: number): Uint8Array {
  const { type, ...rest } = message;
  const bytes = Buffer.from(JSON.stringify({ type, ...rest }), 'utf8');
  if (bytes.length > maxBytes) {
    throw new MeshError(
      'too_large',
      `The ${message.type} message has ${bytes.length} bytes; the limit is ${maxBytes}.`,
    );
  }
  return bytes;
}

export function decodeFrame(bytes: Uint8Array, maxBytes: number): Decoded {
  const json = readJson(bytes, maxBytes);
  if ('error' in json) return { kind: 'garbage', reason: json.error };
  const parsed =
    json.unkept === null ? parseExchangeMessage(json.value) : refuseNumber(json.value, json.unkept);
  if (parsed.ok) return { kind: 'message', message: parsed.message };
  return parsed.error.code === 'invalid_request'
    ? { kind: 'garbage', reason: parsed.error.message }
    : { kind: 'refused', decline: decline(parsed) };
}

export function decodeGossip(bytes: Uint8Array, maxBytes: number): DecodedGossip {
  const json = readJson(bytes, maxBytes);
  if ('error' in json) return { kind: 'garbage', reason: json.error };
  if (json.unkept !== null) return { kind: 'garbage', reason: json.unkept };
  const parsed = parseGossip(json.value);
  if (parsed.ok) return { kind: 'message', message: parsed.message };
  return parsed.error.code === 'unsupported_message'
    ? { kind: 'unknown' }
    : { kind: 'garbage', reason: parsed.error.message };
}

/** The value of a message, and what is to be said where it has a number that this node would change. */
function readJson(
  bytes: Uint8Array,
  maxBytes: number,
): { value: JsonValue; unkept: string | null } | { error: string } {
  try {
    const { value, unkept } = inspectJson(bytes, { maxBytes, maxDepth: MESSAGE_JSON_DEPTH });
    return { value, unkept: unkept && describeProblem('The message', unkept) };
  } catch (error) {
    return { error: error instanceof MeshError ? error.message : 'A message is not readable.' };
  }
}

function decline({ error, of, capsuleId }: RefusedMessage): ExchangeMessage {
  return { type: 'capsule_decline', capsuleId, of, ...wireError(error), load: 0 };
}
