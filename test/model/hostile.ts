import type { End } from './documents.ts';
import { keyOf, S, whoIs } from './documents.ts';
import { continuesAtExecutor } from './inbound.ts';
import type { Message, Said } from './message.ts';
import { SEEN, type Universe, type World } from './world.ts';

const LIAR = 2;
/** The other node that may be told lies. */
const OTHER = 1;
/** Two results of one lease, and failures that no retry helps or that say nothing was begun. */
const INVENTED: readonly End[] = ['completed', 'unfit', 'passing', 'final', 'before'];

/**
 * Everything that the hostile node can say, at any time and again and again: it answers the orders that it has seen as
 * it likes, twice and against its own word. It cannot sign for others, so it orders only what it was given to continue.
 */
export function lie(universe: Universe, world: World, say: (message: Message) => void): void {
  for (const id of universe.sets.get(world[SEEN] ?? 0)) {
    const order = universe.messages.get(id);
    if (order.kind !== 'order') continue;
    const { lease, capsule } = order;
    const to = whoIs(lease.coordinator);
    const tell = (said: Said, receiver = to): void => say({ ...said, from: LIAR, to: receiver, capsule });
    const { epoch } = lease;
    tell({ kind: 'accept', epoch });
    tell({ kind: 'decline', epoch, code: 'busy' });
    tell({ kind: 'unknown', epoch });
    tell({ kind: 'cancelled', epoch });
    for (const end of INVENTED) {
      const { receipt } = universe.documents.conclude(LIAR, lease, end, null);
      tell({ kind: 'result', receiptHash: receipt.receiptHash, lease });
      if (receipt.status === 'completed' && to !== S)
        tell({ kind: 'result', receiptHash: receipt.receiptHash, lease }, S);
      if (end === 'completed') continueAlone(universe, receipt.receiptHash, say);
    }
  }
}

/** The steps of a result that it invented, where the chain is continued at its executor. */
function continueAlone(universe: Universe, receiptHash: string, say: (message: Message) => void): void {
  for (const child of universe.documents.children(receiptHash)) {
    if (!continuesAtExecutor(universe.documents, child.id)) continue;
    const { expiresAt } = universe.scenario.capsule.executionPolicy ?? {};
    for (const epoch of [1, 2]) {
      const lease = {
        capsuleId: child.id,
        executor: keyOf(OTHER),
        epoch,
        price: 0,
        grantedAt: 0,
        expiresAt: expiresAt ?? 1,
        coordinator: keyOf(LIAR),
      };
      const base = { from: LIAR, capsule: child.id } as const;
      say({ ...base, to: OTHER, kind: 'order', lease });
      say({ ...base, to: OTHER, kind: 'cancel', epoch });
      const invented = universe.documents.conclude(
        LIAR,
        { ...lease, executor: keyOf(LIAR) },
        'completed',
        null,
      );
      say({
        ...base,
        to: S,
        kind: 'result',
        receiptHash: invented.receipt.receiptHash,
        lease: { ...lease, executor: keyOf(LIAR) },
      });
    }
    for (const begun of [true, false])
      say({ from: LIAR, to: S, capsule: child.id, kind: 'hand_back', begun });
    for (const end of ['completed', 'passing'] as const) {
      const lease = {
        capsuleId: child.id,
        executor: keyOf(OTHER),
        epoch: 1,
        price: 0,
        grantedAt: 0,
        expiresAt: expiresAt ?? 1,
        coordinator: keyOf(LIAR),
      };
      const { receipt } = universe.documents.conclude(OTHER, lease, end, null);
      say({
        from: LIAR,
        to: OTHER,
        capsule: child.id,
        kind: 'acknowledge',
        receiptHash: receipt.receiptHash,
        settled: false,
      });
      say({
        from: LIAR,
        to: OTHER,
        capsule: child.id,
        kind: 'refuse',
        receiptHash: receipt.receiptHash,
        code: 'conflict',
      });
    }
  }
}
