import { continuesAt } from '../../src/capsule/roles.ts';
import type { Event, Step } from '../../src/exchange/machine/event.ts';
import { begins } from '../../src/exchange/machine/executor.ts';
import { hasEnded } from '../../src/exchange/machine/state.ts';
import { type Documents, errorOf, keyOf, nodeOf, S, type Who } from './documents.ts';
import type { Message, Said } from './message.ts';
import { type Local, type Memory, outcomeOf } from './node.ts';
import type { Scenario } from './scenarios.ts';
import { Violation } from './violation.ts';

/** What a validator makes of a message: an event, an answer without one, or a cancel to be remembered. */
export type Read = { event: Event } | { answer: Said } | { fence: number; answer: Said };

/**
 * Messages become events as `src/exchange/inbound` does it, without signatures. Several readings where the node may
 * answer one way or the other; none where nothing comes of it.
 */
export function read(
  self: Who,
  memory: Memory,
  message: Message,
  { scenario, documents }: { scenario: Scenario; documents: Documents },
): Read[] {
  const { from: sender, capsule: id } = message;
  const from = nodeOf(sender);
  const local = memory.locals.get(id);
  switch (message.kind) {
    case 'order':
      return readOrder(memory, message, { scenario, documents });
    case 'accept':
      return local === undefined ? [] : [{ event: { type: 'accepted', from, epoch: message.epoch } }];
    case 'decline': {
      const { epoch, code } = message;
      if (local === undefined) return [];
      return [{ event: { type: 'declined', from, epoch, error: errorOf(code), retryAfterMs: 0 } }];
    }
    case 'result':
      return [readResult(self, local, message, documents)].flat();
    case 'acknowledge': {
      if (local === undefined) return [];
      const { receiptHash, settled } = message;
      const settlement = settled
        ? { receiptHash, amount: 0, payer: keyOf(sender), payee: keyOf(self), signature: '' }
        : null;
      return [{ event: { type: 'acknowledged', from, receiptHash, settlement } }];
    }
    case 'refuse': {
      if (local === undefined) return [];
      const { code } = message;
      return [{ event: { type: 'refused', from, error: errorOf(code), proven: code === 'conflict' } }];
    }
    case 'ask':
      return readQuestion(self, local, sender, message.epoch);
    case 'unknown':
      return local === undefined ? [] : [{ event: { type: 'unknown', from, epoch: message.epoch } }];
    case 'cancel':
      return [readCancel(local, sender, message.epoch)];
    case 'cancelled':
      return local === undefined ? [] : [{ event: { type: 'cancel_confirmed', from, epoch: message.epoch } }];
    case 'hand_back':
      return local === undefined ? [] : [{ event: { type: 'handed_back', from, begun: message.begun } }];
  }
}

function readOrder(
  memory: Memory,
  { from, capsule: id, lease }: Extract<Message, { kind: 'order' }>,
  { scenario, documents }: { scenario: Scenario; documents: Documents },
): Read[] {
  const { epoch } = lease;
  const decline = (code: 'cancelled' | 'busy'): Read => ({ answer: { kind: 'decline', epoch, code } });
  if ((memory.fences.get(`${from} ${id}`) ?? 0) >= epoch) return [decline('cancelled')];
  const capsule = documents.capsule(id);
  const offer = scenario.offers.find(({ who }) => keyOf(who) === lease.executor);
  const event: Event = {
    type: 'ordered',
    from: nodeOf(from),
    capsule,
    lease,
    root: scenario.capsule.id,
    submitter: nodeOf(S),
    share: 'known',
    mayRepeat: offer?.repeats === true && capsule.executionPolicy?.atMostOnce !== true,
  };
  const work = memory.locals.get(id)?.state.life.work ?? null;
  return scenario.busy && begins(work, epoch) ? [{ event }, decline('busy')] : [{ event }];
}

function readResult(
  self: Who,
  local: Local | undefined,
  { from, capsule: id, receiptHash, lease }: Extract<Message, { kind: 'result' }>,
  documents: Documents,
): Read | [] {
  const refuse = (code: 'not_found' | 'lease_invalid'): Read => ({
    answer: { kind: 'refuse', receiptHash, code },
  });
  const capsule = documents.capsule(id);
  // A step's result can come before its parent's: the sender goes on offering it.
  if (local === undefined) return capsule.parentCapsule === null ? refuse('not_found') : [];
  const { care } = local.state.life;
  const granter = documents.parentExecutor(capsule);
  const granted =
    care?.grants.some(
      (grant) =>
        grant.executor === nodeOf(from) &&
        grant.lease.epoch === lease.epoch &&
        grant.lease.coordinator === lease.coordinator,
    ) === true;
  const delegated =
    self === S &&
    granter !== undefined &&
    continuesAtExecutor(documents, id) &&
    lease.coordinator === keyOf(granter);
  if (care !== null && !granted && !delegated) {
    // Nobody is ordered paid work before its lease is durable.
    if (capsule.paymentRule !== null)
      throw new Violation(
        `${id}: ${receiptHash} is refused, although it was done under a lease that was granted.`,
      );
    return refuse('lease_invalid');
  }
  const { receipt, error, lease: assignment, end } = documents.outcome(receiptHash);
  const steps = end === 'unfit' || end === 'completed' ? stepsOf(self, receiptHash, documents) : [];
  return {
    event: { type: 'result', from: nodeOf(from), receipt, lease: assignment, result: null, error, steps },
  };
}

/** The steps that this node sees to after this result, or whose coordinator it has to watch. */
export function stepsOf(self: Who, receiptHash: string, documents: Documents): Step[] {
  const { receipt, end } = documents.outcome(receiptHash);
  const capsule = documents.capsule(receipt.capsuleId ?? '');
  const mine = self === S || (continuesAt(capsule) === 'executor' && receipt.identity === keyOf(self));
  if (!mine) return [];
  const children = documents.children(receiptHash);
  if (end === 'unfit') return children.map(() => ({ error: errorOf('template_path_missing') }));
  return children.map((child) => ({ capsule: child }));
}

/** Whether this step's parent was to be continued by its executor. */
export function continuesAtExecutor(documents: Documents, id: string): boolean {
  const { parentCapsule } = documents.capsule(id);
  return parentCapsule !== null && continuesAt(documents.capsule(parentCapsule)) === 'executor';
}

function readQuestion(self: Who, local: Local | undefined, sender: Who, epoch: number | null): Read[] {
  if (local === undefined)
    return epoch === null ? [] : [{ fence: epoch, answer: { kind: 'unknown', epoch } }];
  const { state } = local;
  const { work, care } = state.life;
  if (care !== null && state.status === 'failed' && self !== S && sender === S)
    return [{ answer: { kind: 'hand_back', begun: care.grants.some((grant) => !grant.void) } }];
  if (work !== null && work.kind !== 'running') return [{ answer: outcomeOf(local) }];
  return [];
}

function readCancel(local: Local | undefined, sender: Who, epoch: number): Read {
  const { care, work } = local?.state.life ?? { care: null, work: null };
  const from = nodeOf(sender);
  if (local !== undefined && care !== null && care.phase.kind !== 'elsewhere' && sender === S) {
    if (!hasEnded(local.state)) return { event: { type: 'cancel' } };
    if (local.state.status === 'failed' && work === null)
      return { answer: { kind: 'hand_back', begun: care.grants.some((grant) => !grant.void) } };
  }
  if (work === null) return { fence: epoch, answer: { kind: 'cancelled', epoch } };
  return { event: { type: 'stopped', from, epoch, error: errorOf('cancelled') } };
}
