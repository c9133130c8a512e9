import type { Change, Write } from '../../src/exchange/machine/effect.ts';
import type { Choosable, Event } from '../../src/exchange/machine/event.ts';
import type { step } from '../../src/exchange/machine/machine.ts';
import type { State } from '../../src/exchange/machine/state.ts';
import { type Documents, errorOf, keyOf, nodeOf, type Who, whoIs } from './documents.ts';
import { type Interner, remembered } from './intern.ts';
import type { Message, Said } from './message.ts';
import { LIMITS_OF_MODEL, type Scenario } from './scenarios.ts';
import { Violation } from './violation.ts';

/** What is stored of one capsule on one node, in one batch with its state. */
export interface Local {
  state: State;
  /** Whose result is stored. */
  result: string | null;
  /** The payment of it in this node's book, and what became of that. */
  booked: { receiptHash: string; amount: number; debit: string; credit: string } | null;
  mark: 'none' | 'reversed' | 'disputed';
  settled: string | null;
  /** This node's countersignature is stored with the result. */
  countersigned: boolean;
  /** Taken as an executor's child: no other of its step is. */
  proven: boolean;
}

/** What one node remembers: capsules by id. Times of two nodes have nothing to do with each other. */
export interface Memory {
  locals: ReadonlyMap<string, Local>;
  /** Cancels that came before their order: capsule and highest epoch. */
  fences: ReadonlyMap<string, number>;
  clock: number;
}

/** What an event may lead to, and what is told about it once it is durable. */
export interface Reaction {
  memory: number;
  told: Message[];
}

export type Step = typeof step;

export interface Task {
  capsule: string;
  event: Event;
  /** The second of two that offer the same need not be thought of. */
  mirrored?: boolean;
}

/** Fields that no decision depends on; states that differ in them alone are one. */
const IDLE = new Set([
  ...['decisions', 'history', 'updatedAt', 'receivedAt', 'message', 'detail', 'grantedAt', 'attempts'],
  // The same in every state of one capsule.
  ...['id', 'capsuleId', 'originIdentity', 'requestedCapability', 'parentCapsule', 'chainDepth', 'root'],
  ...['timestamp', 'submitter', 'bytes', 'share'],
]);

const keys = new WeakMap<Local, string>();

/** The same for memories that no decision tells apart. */
export function keyOfMemory({ locals, fences, clock }: Memory, paid: boolean): string {
  const parts = [...locals].map(
    ([id, local]) => `${id}=${remembered(keys, local, () => keyOfValue(local, paid))}`,
  );
  return `${parts.sort().join(';')} ${[...fences].sort().join(';')} ${clock}`;
}

function keyOfValue(value: unknown, paid: boolean): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map((each) => keyOfValue(each, paid)).join()}]`;
  let key = '{';
  for (const [name, each] of Object.entries(value)) {
    if (!IDLE.has(name) && (paid || name !== 'lapsed')) key += `${name}:${keyOfValue(each, paid)},`;
  }
  return `${key}}`;
}

export const EMPTY: Memory = { locals: new Map(), fences: new Map(), clock: 0 };

/** One node with the production machine: what each event makes of its memory. The scheduler may say anything. */
export class Node {
  readonly who: Who;
  readonly #scenario: Scenario;
  readonly #documents: Documents;
  readonly #memories: Interner<Memory>;
  readonly #step: Step;

  constructor(
    who: Who,
    parts: { scenario: Scenario; documents: Documents; memories: Interner<Memory>; step: Step },
  ) {
    this.who = who;
    this.#scenario = parts.scenario;
    this.#documents = parts.documents;
    this.#memories = parts.memories;
    this.#step = parts.step;
  }

  take(memory: Memory, tasks: readonly Task[]): Reaction[] {
    const found = new Map<string, Reaction>();
    for (const reaction of this.#advance(memory, tasks, [])) {
      found.set(`${reaction.memory} ${JSON.stringify(reaction.told)}`, reaction);
    }
    return [...found.values()];
  }

  remember(memory: Memory): number {
    return this.#memories.id(keyOfMemory(memory, this.#scenario.capsule.paymentRule !== null), () => memory);
  }

  #advance(memory: Memory, tasks: readonly Task[], told: Message[]): Reaction[] {
    const [task, ...rest] = tasks;
    if (task === undefined) return [{ memory: this.remember(memory), told }];
    const { capsule: id, event } = task;
    const capsule = this.#documents.capsule(id);
    const before = memory.locals.get(id);
    const change = this.#step(before?.state, capsule, event, {
      self: nodeOf(this.who),
      identity: keyOf(this.who),
      now: memory.clock,
      limits: LIMITS_OF_MODEL,
    });
    checkArrow(before?.state, change.state, event);
    const same = before !== undefined && before.state === change.state && change.writes.length === 0;
    const after = same
      ? before
      : change.writes.reduce(write, { ...(before ?? UNKNOWN), state: change.state });
    const next = same ? memory : { ...memory, locals: new Map(memory.locals).set(id, after) };
    const now = [...told, ...change.replies.flatMap((reply) => this.#say(id, after, reply))];
    const spawned = change.writes.flatMap((each) =>
      each.kind === 'spawn' ? [this.#spawn(each, change.state)] : [],
    );
    if (change.state.life.care?.phase.kind !== 'choosing')
      return this.#advance(next, [...spawned, ...rest], now);
    return this.#choices(task.mirrored === true).flatMap((chosen) =>
      this.#advance(next, [{ capsule: id, event: chosen }, ...spawned, ...rest], now),
    );
  }

  #spawn({ capsule, coordinator, patient }: Extract<Write, { kind: 'spawn' }>, parent: State): Task {
    const { root, submitter, share } = parent;
    return {
      capsule: capsule.id,
      event: { type: 'spawned', capsule, root, coordinator, submitter, share, patient },
    };
  }

  /** Everything that a scheduler could say: nobody, anybody. */
  #choices(mirrored: boolean): Event[] {
    const { offers, hostile, capsule } = this.#scenario;
    const mirror = mirrored && !hostile ? offers.find(({ who }) => who === 2) : undefined;
    const all = offers
      .filter((offer) => offer !== mirror)
      .map(
        ({ who, price, repeats }): Choosable => ({
          nodeId: nodeOf(who),
          price: capsule.paymentRule === null ? 0 : price,
          idempotent: repeats,
          proven: true,
        }),
      );
    // Who comes after another is offered alone as well.
    const rankings = [[], ...all.map((one) => [one])];
    return rankings.map((ranking) => ({
      type: 'chosen',
      ranking,
      local: null,
      nobody: errorOf('no_provider'),
      hopeless: false,
    }));
  }

  #say(id: string, local: Local, reply: Change['replies'][number]): Message[] {
    const said = sayOf(local, reply);
    return said === undefined ? [] : [{ ...said, capsule: id, from: this.who, to: whoIs(reply.to) }];
  }
}

/** What a reply says on the wire; undefined where something else says it. */
function sayOf(local: Local, reply: Change['replies'][number]): Said | undefined {
  switch (reply.kind) {
    case 'accept_order': {
      const { epoch } = reply;
      return local.state.life.work?.kind === 'running' ? { kind: 'accept', epoch } : undefined;
    }
    case 'decline_order':
      return { kind: 'decline', epoch: reply.epoch, code: reply.error.code };
    case 'acknowledge':
      return {
        kind: 'acknowledge',
        epoch: reply.epoch,
        receiptHash: reply.settled && local.countersigned ? local.result : null,
      };
    case 'decline_result':
      return {
        kind: 'refuse',
        epoch: reply.epoch,
        code: reply.error.code,
        winner: local.state.status === 'completed' ? local.result : null,
      };
    case 'confirm_cancel':
      return { kind: 'cancelled', epoch: reply.epoch };
    case 'tell':
      return outcomeOf(local);
    case 'cancel':
      return { kind: 'cancel', epoch: reply.epoch };
    case 'hand_back':
      return { kind: 'hand_back', begun: reply.begun, epoch: reply.epoch };
  }
}

const UNKNOWN: Omit<Local, 'state'> = {
  result: null,
  booked: null,
  mark: 'none',
  settled: null,
  countersigned: false,
  proven: false,
};

/** The outcome that this node has to offer. */
export function outcomeOf({ state }: Local): Extract<Said, { kind: 'result' }> {
  const { work } = state.life;
  if (work === null || work.kind === 'running')
    throw new Violation(`${state.id}: an outcome is told of work that has none.`);
  return { kind: 'result', receiptHash: work.outcome.receiptHash, lease: work.lease };
}

function write(local: Local, each: Write): Local {
  switch (each.kind) {
    case 'result':
      return {
        ...local,
        result: each.receipt.receiptHash,
        countersigned: each.settled && each.receipt.charge !== null,
      };
    case 'book': {
      const { receiptHash, amount, debit, credit } = each;
      if (local.booked !== null)
        throw new Violation(`${local.state.id}: booked ${receiptHash} after ${local.booked.receiptHash}.`);
      return { ...local, booked: { receiptHash, amount, debit, credit } };
    }
    case 'settlement':
      if (local.settled !== null && local.settled !== each.settlement.receiptHash)
        throw new Violation(`${local.state.id}: settled twice.`);
      return { ...local, settled: each.settlement.receiptHash };
    case 'reverse':
    case 'dispute':
      if (local.booked === null) throw new Violation(`${local.state.id}: nothing is booked to ${each.kind}.`);
      return { ...local, mark: each.kind === 'reverse' ? 'reversed' : 'disputed' };
    case 'proofs':
      return { ...local, proven: true };
    case 'capsule':
    case 'spawn':
      return local;
  }
}

/** Terminal is final; nothing else may be claimed of a capsule that has ended. */
function checkArrow(before: State | undefined, after: State, { type }: Event): void {
  if (before === undefined || (before.status !== 'completed' && before.status !== 'failed')) return;
  // An executor's row ends with each lease: it runs again under a higher one after its own failure.
  const again = type === 'ordered' && before.life.care === null && after.epoch > before.epoch;
  if (before.status !== after.status && !(again && before.status === 'failed'))
    throw new Violation(`${after.id}: was ${before.status} and became ${after.status} by "${type}".`);
  if (before.status === 'completed' && before.receiptHash !== after.receiptHash)
    throw new Violation(`${after.id}: another receipt took the place of the accepted one by "${type}".`);
}
