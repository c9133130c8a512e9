import { type Documents, type End, keyOf, S, whoIs } from './documents.ts';
import { continuesAtExecutor } from './inbound.ts';
import type { Message, Said } from './message.ts';

const LIAR = 2;
/** The other executor, which may be told lies. */
const OTHER = 1;
/** Two results of one lease, and failures of every kind. */
const INVENTED: readonly End[] = ['completed', 'unfit', 'passing', 'final', 'before'];

type Say = (message: Message) => void;

/**
 * Everything that the hostile node can say after an order, at any time and again and again: it answers as it likes,
 * twice and against its own word. It cannot sign for others, so it orders only what it was given to continue.
 */
export function lie(order: Message, documents: Documents, say: Say): void {
  if (order.kind !== 'order') return;
  const { lease, capsule } = order;
  const { epoch } = lease;
  const to = whoIs(lease.coordinator);
  const tell = (said: Said, receiver = to): void => say({ ...said, from: LIAR, to: receiver, capsule });
  tell({ kind: 'accept', epoch });
  tell({ kind: 'decline', epoch, code: 'busy' });
  tell({ kind: 'unknown', epoch });
  tell({ kind: 'cancelled', epoch });
  for (const end of INVENTED) {
    const { receipt } = documents.conclude(LIAR, lease, end, null);
    const result: Said = { kind: 'result', receiptHash: receipt.receiptHash, lease };
    tell(result);
    if (receipt.status === 'completed' && to !== S) tell(result, S);
    if (end === 'completed') continueAlone(documents, receipt.receiptHash, lease.expiresAt, say);
  }
}

/** The steps of a result that it invented, where the chain is continued at its executor. */
function continueAlone(documents: Documents, receiptHash: string, expiresAt: number, say: Say): void {
  for (const { id: capsule } of documents.children(receiptHash)) {
    if (!continuesAtExecutor(documents, capsule)) continue;
    const tell = (to: typeof S | typeof OTHER, said: Said): void => say({ ...said, from: LIAR, to, capsule });
    const leaseTo = (executor: typeof LIAR | typeof OTHER, epoch: number) => ({
      capsuleId: capsule,
      executor: keyOf(executor),
      epoch,
      price: 0,
      grantedAt: 0,
      expiresAt,
      coordinator: keyOf(LIAR),
    });
    for (const epoch of [1, 2]) {
      tell(OTHER, { kind: 'order', lease: leaseTo(OTHER, epoch) });
      tell(OTHER, { kind: 'cancel', epoch });
    }
    const own = leaseTo(LIAR, 1);
    const { receipt } = documents.conclude(LIAR, own, 'completed', null);
    tell(S, { kind: 'result', receiptHash: receipt.receiptHash, lease: own });
    for (const begun of [true, false]) tell(S, { kind: 'hand_back', begun, epoch: 0 });
    tell(OTHER, { kind: 'acknowledge', epoch: receipt.epoch ?? 0, receiptHash: null });
    tell(OTHER, {
      kind: 'refuse',
      epoch: receipt.epoch ?? 0,
      code: 'conflict',
      winner: receipt.receiptHash,
    });
  }
}
