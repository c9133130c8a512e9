import { isDeepStrictEqual } from 'node:util';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import type { Clock } from '../lib/clock.ts';
import type { Signer } from '../lib/crypto.ts';
import type { Decision } from '../market/types.ts';
import type { Chooser } from './effects/choose.ts';
import type { Limits } from './machine/draft.ts';
import type { Change } from './machine/effect.ts';
import type { Event } from './machine/event.ts';
import { step } from './machine/machine.ts';
import { hasEnded, type State } from './machine/state.ts';

/** Decisions kept for one capsule: the first says most, the newest explain the present. */
const KEPT_DECISIONS = 8;

interface Components {
  signer: Signer;
  clock: Pick<Clock, 'now'>;
  chooser: Chooser;
}

/** Steps the machine here and now; where it asks for somebody, the scheduler answers within the same step. */
export class Stepper {
  readonly #components: Components;
  readonly #limits: Limits;
  readonly #self: string;

  constructor(components: Components, limits: Limits) {
    this.#components = components;
    this.#limits = limits;
    this.#self = nodeIdOf(components.signer.identity);
  }

  /** Adds to `decisions` what was decided; they are stored when the capsule ends: in one row less, and once. */
  step(before: State | undefined, capsule: Capsule, event: Event, decisions: Decision[]): Change {
    const change = this.#step(before, capsule, event, decisions);
    const { state } = change;
    const ends = hasEnded(state) && (before === undefined || !hasEnded(before));
    return ends ? { ...change, state: { ...state, life: { ...state.life, decisions } } } : change;
  }

  #step(before: State | undefined, capsule: Capsule, event: Event, decisions: Decision[]): Change {
    const { signer, clock, chooser } = this.#components;
    const { identity } = signer;
    const setting = { self: this.#self, identity, now: clock.now(), limits: this.#limits };
    const first = step(before, capsule, event, setting);
    chooser.learn(capsule.requestedCapability, first.notes);
    const { care } = first.state.life;
    if (care?.phase.kind !== 'choosing') return first;
    const { chosen, decision } = chooser.choose(capsule, first.state);
    noteDecision(decisions, decision);
    const next = step(first.state, capsule, chosen, setting);
    chooser.settle(next.state);
    return {
      // A look that found nobody leaves a capsule that waits as it was.
      state: before !== undefined && waitsAlike(before, next.state) ? before : next.state,
      writes: [...first.writes, ...next.writes],
      replies: [...first.replies, ...next.replies],
      notes: [],
    };
  }
}

function waitsAlike(before: State, after: State): boolean {
  const { care } = after.life;
  return care?.phase.kind === 'waiting' && isDeepStrictEqual(care, before.life.care);
}

function noteDecision(decisions: Decision[], decision: Decision): void {
  const last = decisions.at(-1);
  // While nobody is found it is not noted again and again, and the newest says why.
  if (last?.ranking.length === 0 && decision.ranking.length === 0) decisions.pop();
  decisions.push(decision);
  if (decisions.length > KEPT_DECISIONS) decisions.splice(1, 1);
}
