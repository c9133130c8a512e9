import type { ErrorCode } from '../../protocols/common/v1/errors.ts';
import type { Lease } from '../../src/exchange/machine/state.ts';
import { nameOf, type Who } from './documents.ts';

/** What two nodes say to each other about a capsule, after the wire and its signatures. */
export type Said =
  | { kind: 'order'; lease: Lease }
  | { kind: 'accept'; epoch: number }
  | { kind: 'decline'; epoch: number; code: ErrorCode }
  | { kind: 'result'; receiptHash: string; lease: Lease }
  /** `receiptHash`: what a settlement countersigns; null where nothing is owed. */
  | { kind: 'acknowledge'; epoch: number; receiptHash: string | null }
  /** `winner`: the receipt of the other result, where it is shown. */
  | { kind: 'refuse'; epoch: number; code: ErrorCode; winner: string | null }
  | { kind: 'ask'; epoch: number | null }
  | { kind: 'unknown'; epoch: number }
  | { kind: 'cancel'; epoch: number }
  | { kind: 'cancelled'; epoch: number }
  | { kind: 'hand_back'; begun: boolean; epoch: number };

export type Message = Said & { from: Who; to: Who; capsule: string };

export function describe(message: Message): string {
  const { from, to, capsule, kind, ...rest } = message;
  return `${nameOf(from)} → ${nameOf(to)}: ${kind} ${capsule}${detailOf(rest)}`;
}

function detailOf(rest: object): string {
  const parts = Object.entries(rest).flatMap(([name, value]) =>
    name === 'lease' ? [`epoch=${value.epoch}`] : [`${name}=${value}`],
  );
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}
