import { type ErrorBody, type ErrorCode, isErrorCode } from '../../protocols/common/v1/errors.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { WireError } from '../../protocols/common/v1/schema.ts';
import {
  CapabilityAdvertisement,
  CapsuleAnnounce,
  type ExchangeMessage,
  ExchangeMessages,
  type GossipMessage,
} from '../../protocols/messages/v1/schema.ts';
import { type Check, checkOf } from '../lib/check.ts';
import { describeProblem, jsonProblem } from '../lib/json.ts';
import { cutText } from '../lib/text.ts';
import { checkAssignmentStructure } from './assignment.ts';
import { type Refused, refuse } from './outcome.ts';
import { checkReceiptStructure } from './receipt.ts';
import { checkSettlementStructure } from './settlement.ts';
import { checkCapsuleStructure } from './validate-capsule.ts';

/** A document at its own depth limit still fits, even in a proof in the list of a message. */
export const MESSAGE_JSON_DEPTH = LIMITS.jsonDepth + 3;

/** By name in a map: a property walk would let a peer's `type` reach a prototype. */
const exchangeChecks: ReadonlyMap<string, Check<ExchangeMessage>> = new Map(
  Object.entries(ExchangeMessages).map(([type, schema]) => [type, checkOf(schema)]),
);

const gossipChecks: ReadonlyMap<string, Check<GossipMessage>> = new Map<string, Check<GossipMessage>>([
  ['capability_advertisement', checkOf(CapabilityAdvertisement)],
  ['capsule_announce', checkOf(CapsuleAnnounce)],
]);

type DocumentCheck = (value: unknown) => { ok: true } | Refused;

/** Where a message carries a signed document, what is wrong with that is told in the document's own code. */
const documentChecks: readonly [field: string, check: DocumentCheck][] = [
  ['capsule', checkCapsuleStructure],
  ['parent', checkCapsuleStructure],
  ['receipt', checkReceiptStructure],
  ['assignment', checkAssignmentStructure],
  ['lease', checkAssignmentStructure],
  ['settlement', checkSettlementStructure],
];

/** What a refusal of a message should be answered to, as far as the message still said so. */
export interface RefusedMessage extends Refused {
  /** The message's type as its sender wrote it, cut to what a `capsule_decline` can hold. */
  of: string;
  capsuleId: string | null;
}

/**
 * Structure of a frame of the exchange stream, parsed by `parseJson` with `MESSAGE_JSON_DEPTH`. The signed documents in
 * it have been checked for structure only: go on with `checkCapsule` and the others, `schemaChecked`. Never throws.
 */
export function parseExchangeMessage(
  value: unknown,
): { ok: true; message: ExchangeMessage } | RefusedMessage {
  const parsed = parseBy(exchangeChecks, value);
  return parsed.ok ? parsed : { ...parsed, of: typeOf(value), capsuleId: capsuleIdOf(value) };
}

/** By whose code a message with a payload or a result is refused that this node cannot keep as it was sent. */
const contentCodes: ReadonlyMap<string, ErrorCode> = new Map([
  ['capsule_data', 'invalid_capsule'],
  ['capsule_result', 'invalid_receipt'],
]);

/**
 * The refusal of a message with a number that a double does not keep: its sender may have other numbers than this
 * node, and is told so about work and results. Nowhere else does a message of this protocol have such numbers.
 */
export function refuseNumber(value: unknown, problem: string): RefusedMessage {
  const code = contentCodes.get(typeOf(value)) ?? 'invalid_request';
  return { ...refuse(code, problem), of: typeOf(value), capsuleId: capsuleIdOf(value) };
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
  if (check.accepts(value)) return refuseDetail(value) ?? { ok: true, message: value };
  return (
    refuseAllDocuments(value) ??
    refuse('invalid_request', `The ${value.type} is not valid: ${check.explain(value)}.`)
  );
}

/** The documents of the message, of its proofs, and of the winner that a decline shows. */
function refuseAllDocuments(message: Record<string, unknown>): Refused | null {
  const proofs = Array.isArray(message.proofs) ? message.proofs.slice(0, LIMITS.chainDepth) : [];
  for (const holder of [message, ...proofs, message.winner]) {
    const refused = isRecord(holder) ? refuseDocuments(holder) : null;
    if (refused !== null) return refused;
  }
  return null;
}

function refuseDocuments(holder: Record<string, unknown>): Refused | null {
  for (const [field, check] of documentChecks) {
    const document = holder[field];
    if (document === undefined || document === null) continue;
    const checked = check(document);
    if (!checked.ok) return checked;
  }
  return null;
}

/** The bytes of what an error may say beyond its sentence, which no schema can count. */
function refuseDetail(message: Record<string, unknown>): Refused | null {
  const detail = isRecord(message.error) ? message.error.detail : message.detail;
  return isDetailTooLarge(detail)
    ? refuse('invalid_request', `The "detail" of an error has more than ${LIMITS.errorDetailBytes} bytes.`)
    : null;
}

const isDetailTooLarge = (detail: unknown): boolean =>
  detail !== undefined && new TextEncoder().encode(JSON.stringify(detail)).length > LIMITS.errorDetailBytes;

/** An error as it may be sent: a sentence cut to its limit, and no detail beyond its own. */
export function wireError({ code, message, detail }: ErrorBody): WireError {
  const told = { code, message: cutText(message, LIMITS.errorMessageChars) };
  return detail === undefined || isDetailTooLarge(detail) ? told : { ...told, detail };
}

function typeOf(value: unknown): string {
  if (!isRecord(value) || typeof value.type !== 'string') return '';
  return cutText(value.type, LIMITS.messageTypeChars);
}

function capsuleIdOf(value: unknown): string | null {
  if (!isRecord(value)) return null;
  const id = isRecord(value.capsule) ? value.capsule.id : value.capsuleId;
  return typeof id === 'string' && /^[0-9a-f]{64}$/.test(id) ? id : null;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const quote = (text: string): string => JSON.stringify(text.slice(0, 64));

/** An error that another node told, as this node can show it: a code that it does not know is `internal`. */
export function toldError({ code, message, detail }: WireError): ErrorBody {
  const known = isErrorCode(code) ? code : 'internal';
  return { code: known, message, ...(detail !== undefined && { detail }) };
}
