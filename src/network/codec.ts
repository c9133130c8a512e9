import { LIMITS } from '../../protocols/common/v1/limits.ts';
import {
  type ExchangeMessage,
  ExchangeMessages,
  type GossipMessage,
} from '../../protocols/messages/v1/schema.ts';
import { parseExchangeMessage, parseGossip } from '../capsule/messages.ts';
import { MeshError } from '../lib/errors.ts';
import { parseJson } from '../lib/json.ts';

/**
 * What a frame turned out to be. `unknown` is well-formed and of a type this node does not have: it is declined by
 * name and costs nothing. `garbage` costs the sender its connection.
 */
export type Decoded =
  | { kind: 'message'; message: ExchangeMessage }
  | { kind: 'unknown'; decline: ExchangeMessage }
  | { kind: 'garbage'; reason: string };

export type DecodedGossip =
  | { kind: 'message'; message: GossipMessage }
  | { kind: 'unknown' }
  | { kind: 'garbage'; reason: string };

const GOSSIP_TYPES: ReadonlySet<string> = new Set(['capability_advertisement', 'capsule_announce']);

/** Stands in for the id of an unknown message that has none; an exchange id is never empty. */
const NO_EXCHANGE = 'unknown';

/** UTF-8 JSON of a message. Throws `too_large` above `maxBytes`. */
export function encodeMessage(message: ExchangeMessage | GossipMessage, maxBytes: number): Uint8Array {
  const bytes = Buffer.from(JSON.stringify(message), 'utf8');
  if (bytes.length > maxBytes) {
    throw new MeshError(
      'too_large',
      `The ${message.type} message has ${bytes.length} bytes; the limit is ${maxBytes}.`,
    );
  }
  return bytes;
}

export function decodeFrame(bytes: Uint8Array, maxBytes: number): Decoded {
  const object = decodeObject(bytes, maxBytes);
  if (typeof object === 'string') return { kind: 'garbage', reason: object };
  const { type, exchangeId } = object;
  if (typeof type !== 'string') return { kind: 'garbage', reason: 'A message has no type.' };
  if (!Object.hasOwn(ExchangeMessages, type)) return { kind: 'unknown', decline: decline(type, exchangeId) };
  const parsed = parseExchangeMessage(object);
  return 'error' in parsed
    ? { kind: 'garbage', reason: parsed.error.message }
    : { kind: 'message', message: parsed.message };
}

export function decodeGossip(bytes: Uint8Array, maxBytes: number): DecodedGossip {
  const object = decodeObject(bytes, maxBytes);
  if (typeof object === 'string') return { kind: 'garbage', reason: object };
  const { type } = object;
  if (typeof type !== 'string') return { kind: 'garbage', reason: 'A message has no type.' };
  if (!GOSSIP_TYPES.has(type)) return { kind: 'unknown' };
  const parsed = parseGossip(object);
  return 'error' in parsed
    ? { kind: 'garbage', reason: parsed.error.message }
    : { kind: 'message', message: parsed.message };
}

/** The JSON object in `bytes`, or why there is none. */
function decodeObject(bytes: Uint8Array, maxBytes: number): Record<string, unknown> | string {
  try {
    const value = parseJson(bytes, { maxBytes, maxDepth: LIMITS.jsonDepth });
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
    return 'A message is not a JSON object.';
  } catch (error) {
    return error instanceof MeshError ? error.message : 'A message is not readable.';
  }
}

function decline(type: string, exchangeId: unknown): ExchangeMessage {
  const named = typeof exchangeId === 'string' && exchangeId.length > 0 && exchangeId.length <= 64;
  return {
    type: 'capsule_decline',
    exchangeId: named ? exchangeId : NO_EXCHANGE,
    capsuleId: null,
    code: 'unsupported_message',
    message: `This node does not know messages of type ${JSON.stringify(type.slice(0, 64))}.`,
    load: 0,
  };
}
