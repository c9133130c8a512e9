import { LIMITS } from '../../protocols/common/v1/limits.ts';
import {
  CapabilityAdvertisement,
  CapsuleAnnounce,
  type ExchangeMessage,
  ExchangeMessages,
  type GossipMessage,
} from '../../protocols/messages/v1/schema.ts';
import { type Check, checkOf } from '../lib/check.ts';
import { describeProblem, jsonProblem } from '../lib/json.ts';
import { checkAssignmentStructure } from './assignment.ts';
import { checkCapsuleStructure } from './check-capsule.ts';
import { type Refused, refuse } from './outcome.ts';
import { checkReceiptStructure } from './receipt.ts';
import { checkSettlementStructure } from './settlement.ts';

/** A document at its own depth limit still fits: a message carries it one level down. */
export const MESSAGE_JSON_DEPTH = LIMITS.jsonDepth + 1;

/** By name in a map: a property walk would let a peer's `type` reach a prototype. */
const exchangeChecks: ReadonlyMap<string, Check<ExchangeMessage>> = new Map(
  Object.entries(ExchangeMessages).map(([type, schema]) => [type, checkOf(schema)]),
);

const gossipChecks: ReadonlyMap<string, Check<GossipMessage>> = new Map<string, Check<GossipMessage>>([
  ['capability_advertisement', checkOf(CapabilityAdvertisement)],
  ['capsule_announce', checkOf(CapsuleAnnounce)],
]);

/** Where a message carries a signed document, what is wrong with that is told in the document's own code. */
const documentChecks: readonly [field: string, check: (value: unknown) => { ok: true } | Refused][] = [
  ['capsule', checkCapsuleStructure],
  ['receipt', checkReceiptStructure],
  ['assignment', checkAssignmentStructure],
  ['settlement', checkSettlementStructure],
];

/** What a refusal of a message should be answered to, where the message still said so. */
export interface RefusedMessage extends Refused {
  exchangeId: string | null;
}

/**
 * Structure of a frame of the exchange stream, parsed by `parseJson` with `MESSAGE_JSON_DEPTH`. The signed documents in
 * it have been checked for structure only: go on with `checkCapsule` and the others, `schemaChecked`. Never throws.
 */
export function parseExchangeMessage(
  value: unknown,
): { ok: true; message: ExchangeMessage } | RefusedMessage {
  const parsed = parseBy(exchangeChecks, value);
  return parsed.ok ? parsed : { ...parsed, exchangeId: exchangeIdOf(value) };
}

/** Structure of one gossip message; whether its sender may say so is the topic's validator's to judge. Never throws. */
export function parseGossip(value: unknown): { ok: true; message: GossipMessage } | Refused {
  const parsed = parseBy(gossipChecks, value);
  if (!parsed.ok || parsed.message.type !== 'capsule_announce') return parsed;
  const { capsuleIds, capsuleSummaries } = parsed.message;
  const agree =
    capsuleIds.length === capsuleSummaries.length &&
    capsuleSummaries.every((summary, index) => summary.id === capsuleIds[index]);
  return agree
    ? parsed
    : refuse('invalid_request', 'The announced ids and summaries are not of the same capsules.');
}

function parseBy<T>(
  checks: ReadonlyMap<string, Check<T>>,
  value: unknown,
): { ok: true; message: T } | Refused {
  const problem = jsonProblem(value, MESSAGE_JSON_DEPTH);
  if (problem !== null) return refuse('invalid_request', describeProblem('The message', problem));
  if (!isRecord(value) || typeof value.type !== 'string')
    return refuse('invalid_request', 'A message is an object with a "type".');
  const check = checks.get(value.type);
  if (check === undefined)
    return refuse('unsupported_message', `Messages of the type ${quote(value.type)} are not understood.`);
  if (check.accepts(value)) return { ok: true, message: value };
  return (
    refuseDocuments(value) ??
    refuse('invalid_request', `The ${value.type} is not valid: ${check.explain(value)}.`)
  );
}

function refuseDocuments(message: Record<string, unknown>): Refused | null {
  for (const [field, check] of documentChecks) {
    const document = message[field];
    if (document === undefined || document === null) continue;
    const checked = check(document);
    if (!checked.ok) return checked;
  }
  return null;
}

function exchangeIdOf(value: unknown): string | null {
  if (!isRecord(value) || typeof value.exchangeId !== 'string') return null;
  return value.exchangeId.length <= LIMITS.exchangeIdChars ? value.exchangeId : null;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const quote = (text: string): string => JSON.stringify(text.slice(0, 64));
