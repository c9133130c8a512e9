import type { Effect } from '../../src/exchange/machine/effect.ts';
import { effectsOf } from '../../src/exchange/machine/effects-of.ts';
import { Documents, WHO, type Who, whoIs } from './documents.ts';
import { lie } from './hostile.ts';
import { type Read, read } from './inbound.ts';
import { IdSets, Interner, remembered } from './intern.ts';
import { describe, type Message, type Said } from './message.ts';
import {
  EMPTY,
  keyOfMemory,
  type Memory,
  Node,
  outcomeOf,
  type Reaction,
  type Step,
  type Task,
} from './node.ts';
import { type Budgets, LIMITS_OF_MODEL, type Scenario } from './scenarios.ts';

/**
 * A world is a short row of integers: for each node what it remembers, what of that is on its disk, what it tells once
 * that is durable and which effects it has begun; messages on the way; what is known of the past; what may still go
 * wrong. Everything else is looked up by these numbers.
 */
export type World = Int32Array;

export const MEMORY = 0;
export const DISK = 1;
export const TOLD = 2;
export const BEGUN = 3;
const NODE_WORDS = 4;
export const ON_THE_WAY = NODE_WORDS * WHO.length;
/** Facts of the past that no node need remember: see `Universe.facts`. */
export const PAST = ON_THE_WAY + 1;
/** Orders that the hostile node has seen. */
export const SEEN = ON_THE_WAY + 2;
const BUDGET = ON_THE_WAY + 3;
export const WORDS = ON_THE_WAY + 4;

/** What a memory asks for, with the number of its key. */
export interface Asked {
  capsule: string;
  effect: Effect;
  key: number;
}

/** A reaction with its messages as a set. */
export interface Reacted {
  memory: number;
  told: number;
}

const BUDGET_NAMES = ['crashes', 'losses', 'doubles', 'cuts', 'timers', 'cancels'] as const;
/** Bits of one budget in their word. */
const BUDGET_BITS = 4;

/** All that is met in one exploration, by number, and the nodes that make one memory of another. */
export class Universe {
  readonly scenario: Scenario;
  readonly documents: Documents;
  readonly memories = new Interner<Memory>();
  readonly messages = new Interner<Message>();
  readonly sets = new IdSets();
  /** Names of effects that were begun, and facts: `confirmed`, or the id of work that may not repeat and was begun. */
  readonly facts = new Interner<string>();
  readonly #nodes: readonly Node[];
  readonly #asked = new Map<number, readonly Asked[]>();
  readonly #sent = new Map<number, number>();
  readonly #orders = new Map<number, readonly { key: number; message: number }[]>();
  readonly #spent = new Map<number, boolean>();
  readonly #lies = new Map<number, readonly number[]>();
  readonly #readings = new Map<number, readonly Read[]>();
  readonly #reactions = new Map<string, readonly Reacted[]>();

  constructor(scenario: Scenario, step: Step) {
    this.scenario = scenario;
    this.documents = new Documents(scenario.capsule);
    const { documents, memories } = this;
    this.#nodes = WHO.map((who) => new Node(who, { scenario, documents, memories, step }));
  }

  first(): World {
    const world = new Int32Array(WORDS);
    const empty = this.memories.id(
      keyOfMemory(EMPTY, this.scenario.capsule.paymentRule !== null),
      () => EMPTY,
    );
    for (const who of WHO) {
      world[who * NODE_WORDS + MEMORY] = empty;
      world[who * NODE_WORDS + DISK] = empty;
    }
    BUDGET_NAMES.forEach((name, place) => {
      world[BUDGET] = (world[BUDGET] ?? 0) | (this.scenario.budgets[name] << (place * BUDGET_BITS));
    });
    return world;
  }

  isHostile(who: Who): boolean {
    return who === 2 && this.scenario.hostile;
  }

  /** Whether whoever was ordered offers the work as one that may run twice. */
  mayRepeat({ to }: Message): boolean {
    return this.scenario.offers.find(({ who }) => who === to)?.repeats === true;
  }

  message(message: Message): number {
    return this.messages.id(describe(message), () => message);
  }

  fact(name: string): number {
    return this.facts.id(name, () => name);
  }

  /** What a memory asks for. The memory is checked when it is first met. */
  asked(memory: number): readonly Asked[] {
    return remembered(this.#asked, memory, () =>
      [...this.memories.get(memory).locals].flatMap(([capsule, { state }]) =>
        effectsOf(state, this.documents.capsule(capsule), LIMITS_OF_MODEL).map((effect) => ({
          capsule,
          effect,
          key: this.fact(`${capsule} ${effect.key}`),
        })),
      ),
    );
  }

  /** What the standing effects of a node send, again and again, once they are durable. */
  sent(who: Who, memory: number, disk: number): number {
    return remembered(this.#sent, keyOf3(who, memory, disk), () => {
      const durable = new Set(this.asked(disk).map(({ key }) => key));
      const standing = this.asked(memory).filter(({ key }) => durable.has(key));
      return this.sets.of(standing.flatMap((asked) => this.#message(who, memory, asked)));
    });
  }

  /** Whether a message that changes nothing now never will: its epoch or its capsule is over. */
  isSpent(who: Who, memory: number, id: number): boolean {
    return remembered(this.#spent, keyOf3(who, memory, id), () => {
      const message = this.messages.get(id);
      const { care, work } = this.memories.get(memory).locals.get(message.capsule)?.state.life ?? {};
      switch (message.kind) {
        case 'accept':
        case 'decline':
        case 'unknown':
        case 'cancelled':
          return care?.phase.kind === 'ended' || message.epoch < (care?.grants.at(-1)?.lease.epoch ?? 0);
        case 'hand_back':
          return care?.phase.kind === 'ended';
        case 'acknowledge':
          return work?.kind === 'delivered';
        default:
          return false;
      }
    });
  }

  /** The orders that a node has to send, once in a life of its process. */
  orders(who: Who, memory: number, disk: number): readonly { key: number; message: number }[] {
    return remembered(this.#orders, keyOf3(who, memory, disk), () =>
      this.asked(memory).flatMap(({ capsule, effect, key }) => {
        if (effect.kind !== 'order') return [];
        const durable = effect.early || this.asked(disk).some((asked) => asked.key === key);
        return durable ? [{ key, message: this.order(who, capsule, effect) }] : [];
      }),
    );
  }

  order(from: Who, capsule: string, { to, lease }: Extract<Effect, { kind: 'order' }>): number {
    return this.message({ kind: 'order', lease, from, to: whoIs(to), capsule });
  }

  /** What the hostile node can say after it has seen these orders. */
  lies(seen: number): readonly number[] {
    return remembered(this.#lies, seen, () => {
      const told = new Set<number>();
      for (const id of this.sets.get(seen))
        lie(this.messages.get(id), this.documents, (message) => told.add(this.message(message)));
      return [...told];
    });
  }

  #message(from: Who, memory: number, { capsule, effect }: Asked): number[] {
    const say = (to: string, said: Said) => [this.message({ ...said, from, to: whoIs(to), capsule })];
    switch (effect.kind) {
      case 'ask':
        return say(effect.node, { kind: 'ask', epoch: effect.epoch });
      case 'cancel':
        return say(effect.to, { kind: 'cancel', epoch: effect.epoch });
      case 'deliver': {
        const local = this.memories.get(memory).locals.get(capsule);
        return local === undefined ? [] : say(effect.to, outcomeOf(local));
      }
      default:
        return [];
    }
  }

  /** What the node may make of these events, `name` telling them from all others. */
  react(who: Who, memory: number, name: string, happen: () => Happening): readonly Reacted[] {
    return remembered(this.#reactions, `${who} ${memory} ${name}`, () => {
      const { before, tasks, answers } = happen();
      const node = this.#nodes[who];
      if (node === undefined) throw new RangeError('There is no such node.');
      return node.take(before, tasks).map((reaction) => this.#reacted(reaction, answers));
    });
  }

  /** What the node's validator makes of a message. */
  readings(who: Who, memory: number, message: number): readonly Read[] {
    return remembered(this.#readings, keyOf3(who, memory, message), () =>
      read(who, this.memories.get(memory), this.messages.get(message), this),
    );
  }

  #reacted({ memory, told }: Reaction, answers: readonly Message[] = []): Reacted {
    return { memory, told: this.sets.of([...told, ...answers].map((message) => this.message(message))) };
  }
}

export interface Happening {
  before: Memory;
  tasks: readonly Task[];
  answers?: readonly Message[];
}

/** More than there ever are memories or messages: three numbers in one, below 2^53. */
const MOST_NUMBERS = 2 ** 25;

function keyOf3(who: Who, one: number, other: number): number {
  return (who * MOST_NUMBERS + one) * MOST_NUMBERS + other;
}

export function left(world: World, name: keyof Budgets): boolean {
  const place = BUDGET_NAMES.indexOf(name);
  return (((world[BUDGET] ?? 0) >> (place * BUDGET_BITS)) & (2 ** BUDGET_BITS - 1)) > 0;
}

/** One less; the world is one's own. */
export function spend(world: World, name: keyof Budgets): void {
  world[BUDGET] = (world[BUDGET] ?? 0) - (1 << (BUDGET_NAMES.indexOf(name) * BUDGET_BITS));
}

export function wordOf(world: World, who: Who, word: number): number {
  return world[who * NODE_WORDS + word] ?? 0;
}

export function setWord(world: World, who: Who, word: number, value: number): void {
  world[who * NODE_WORDS + word] = value;
}
