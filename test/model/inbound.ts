import { continuesAt, needsSignedLease } from '../../src/capsule/roles.ts';
import { handBack } from '../../src/exchange/machine/coordinator.ts';
import type { Event, Step } from '../../src/exchange/machine/event.ts';
import { begins } from '../../src/exchange/machine/executor.ts';
import { hasEnded, type State } from '../../src/exchange/machine/state.ts';
import { type Documents, errorOf, keyOf, nodeOf, S, type Who } from './documents.ts';
import type { Message, Said } from './message.ts';
import { type Local, type Memory, outcomeOf } from './node.ts';
import type { Scenario } from './scenarios.ts';

/** What a validator makes of a message: events, or an answer, and a lease that will be refused from now on. */
export type Read = { events: Event[] } | { answer: Said; fence?: number };

interface Known {
  scenario: Scenario;
  documents: Documents;
}

/** What is known where a message comes. */
interface Here extends Known {
  self: Who;
  memory: Memory;
  local: Local;
}

/**
 * Messages become events as `src/exchange/inbound` does it, without signatures. Several readings where the node may
 * answer one way or the other; none where nothing comes of it.
 */
export function read(self: Who, memory: Memory, message: Message, known: Known): Read[] {
  const { from: sender, capsule: id } = message;
  const local = memory.locals.get(id);
  if (message.kind === 'order') return readOrder(memory, message, known);
  if (message.kind === 'ask') return [readQuestion(local, sender, message.epoch)].flat();
  if (message.kind === 'cancel') return [readCancel(local, sender, message.epoch)];
  if (local === undefined) return [];
  const event = eventOf(message, { ...known, self, memory, local });
  return event === undefined ? [] : [{ events: [event] }];
}

function eventOf(message: Message, here: Here): Event | undefined {
  const { self, local, documents } = here;
  const from = nodeOf(message.from);
  switch (message.kind) {
    case 'accept': {
      const epoch = newestLease(local.state, from, message.epoch);
      return epoch === undefined ? undefined : { type: 'accepted', from, epoch };
    }
    case 'decline': {
      const { epoch, code } = message;
      return { type: 'declined', from, epoch, error: errorOf(code), retryAfterMs: 0 };
    }
    case 'result':
      return readResult(message, here);
    case 'acknowledge': {
      const { receiptHash, epoch } = message;
      if (!owes(local, from) || (receiptHash !== null && receiptHash !== local.result)) return undefined;
      if (receiptHash === null) return { type: 'acknowledged', from, epoch, settlement: null };
      const amount = documents.outcome(receiptHash).receipt.charge ?? 0;
      const settlement = {
        receiptHash,
        amount,
        payer: keyOf(message.from),
        payee: keyOf(self),
        signature: '',
      };
      return { type: 'acknowledged', from, epoch, settlement };
    }
    case 'refuse': {
      const { code, winner, epoch } = message;
      if ((code !== 'conflict' && code !== 'invalid_receipt') || !owes(local, from)) return undefined;
      const proven = winner !== null && documents.outcome(winner).receipt.identity !== keyOf(self);
      return { type: 'refused', from, epoch, error: errorOf(code), proven };
    }
    case 'unknown':
      return { type: 'unknown', from, epoch: message.epoch };
    case 'cancelled':
      return { type: 'cancel_confirmed', from, epoch: message.epoch };
    case 'hand_back':
      return { type: 'handed_back', from, begun: message.begun, epoch: message.epoch };
    default:
      return undefined;
  }
}

function owes({ state }: Local, from: string): boolean {
  const { work } = state.life;
  return work?.kind === 'delivering' && work.to.includes(from);
}

/** The epoch of the newest lease where `from` holds it and speaks under any lease of this node. */
function newestLease({ life }: State, from: string, epoch: number): number | undefined {
  const grants = life.care?.grants ?? [];
  const newest = grants.at(-1);
  if (newest?.executor !== from) return undefined;
  const granted = grants.some(({ executor, lease }) => executor === from && lease.epoch === epoch);
  return granted ? newest.lease.epoch : undefined;
}

function readOrder(
  memory: Memory,
  { from, capsule: id, lease }: Extract<Message, { kind: 'order' }>,
  { scenario, documents }: Known,
): Read[] {
  const { epoch } = lease;
  const decline = (code: 'cancelled' | 'busy' | 'conflict'): Read[] => [
    { answer: { kind: 'decline', epoch, code } },
  ];
  const capsule = documents.capsule(id);
  const offer = scenario.offers.find(({ who }) => keyOf(who) === lease.executor);
  const event: Event = {
    type: 'ordered',
    from: nodeOf(from),
    capsule,
    lease,
    proofs: from === S ? [] : documents.proofsOf(capsule),
    root: scenario.capsule.id,
    submitter: nodeOf(S),
    share: 'known',
    mayRepeat: offer?.repeats === true && capsule.executionPolicy?.atMostOnce !== true,
  };
  const state = memory.locals.get(id)?.state;
  if (state !== undefined && !mayAsk(from, state)) return decline('conflict');
  const { care, work } = state?.life ?? { care: null, work: null };
  const wouldRun = (care === null || care.phase.kind === 'elsewhere') && begins(work, lease);
  if (!wouldRun) return [{ events: [event] }];
  if ((memory.fences.get(`${from} ${id}`) ?? -1) >= epoch) return decline('cancelled');
  if (from !== S && hasSibling(memory, id, documents)) return decline('conflict');
  return [{ events: [event] }, ...(scenario.busy ? decline('busy') : [])];
}

/** Whether another executor's child of the same step was taken here. */
function hasSibling({ locals }: Memory, id: string, documents: Documents): boolean {
  const stepOf = (capsule: string) => {
    const { lineage } = documents.capsule(capsule);
    return `${lineage?.parent} ${lineage?.step}`;
  };
  return [...locals].some(([other, { proven }]) => proven && other !== id && stepOf(other) === stepOf(id));
}

function readResult(message: Extract<Message, { kind: 'result' }>, here: Here): Event | undefined {
  const { self, local, documents } = here;
  const { receiptHash, lease } = message;
  const from = nodeOf(message.from);
  // The sender goes on offering it: a step's result can come before its parent's.
  if (local.state.life.care === null) return undefined;
  if (!isGranted(message, here))
    return { type: 'invalid', from, epoch: lease.epoch, error: errorOf('invalid_receipt') };
  const { receipt, error, lease: assignment } = documents.outcome(receiptHash);
  const continues = receipt.status === 'completed' && self === S && !hasEnded(local.state);
  const steps = continues ? stepsOf(self, receiptHash, documents) : [];
  return { type: 'result', from, receipt, lease: assignment, result: null, error, steps };
}

function isGranted(
  { from, lease }: Extract<Message, { kind: 'result' }>,
  { self, memory, local, documents }: Here,
): boolean {
  const { id, life, parentCapsule } = local.state;
  if (lease.coordinator === keyOf(self)) {
    // Signed by this node: nobody else can have made it.
    if (needsSignedLease(documents.capsule(id))) return true;
    const grant = life.care?.grants.find((each) => each.lease.epoch === lease.epoch);
    return grant?.executor === nodeOf(from);
  }
  const parent = parentCapsule === null ? null : (memory.locals.get(parentCapsule)?.result ?? null);
  return parent !== null && documents.outcome(parent).receipt.identity === lease.coordinator;
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

function mayAsk(sender: Who, { coordinator, submitter }: State): boolean {
  return nodeOf(sender) === coordinator || nodeOf(sender) === submitter;
}

function readQuestion(local: Local | undefined, sender: Who, epoch: number | null): Read | [] {
  if (local === undefined || !mayAsk(sender, local.state)) {
    const answer: Said = { kind: 'unknown', epoch: epoch ?? 0 };
    return epoch === null ? { answer } : { answer, fence: epoch };
  }
  const { work, care } = local.state.life;
  if (work?.kind === 'running') return { answer: { kind: 'accept', epoch: work.lease.epoch } };
  const { state } = local;
  const gaveUp = care !== null && state.status === 'failed' && nodeOf(sender) === state.submitter;
  if (work !== null && !gaveUp) return { answer: outcomeOf(local) };
  if (care === null || !hasEnded(state)) return [];
  const { begun, epoch: newest } = handBack(state, care);
  return { answer: { kind: 'hand_back', begun, epoch: newest } };
}

function readCancel(local: Local | undefined, sender: Who, epoch: number): Read {
  if (local === undefined || !mayAsk(sender, local.state))
    return { answer: { kind: 'cancelled', epoch }, fence: epoch };
  const { work, care } = local.state.life;
  const from = nodeOf(sender);
  const events: Event[] = [];
  if (work !== null) events.push({ type: 'stopped', from, epoch, error: errorOf('cancelled') });
  if (care !== null && from === local.state.submitter) events.push({ type: 'cancel' });
  return { events };
}
