import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { Transaction } from '../../store/types.ts';
import type { Effect } from '../machine/effect.ts';
import type { Event } from '../machine/event.ts';
import type { State } from '../machine/state.ts';

/** The capsule whose state asks for an effect, for as long as it does. */
export interface Standing {
  readonly capsule: Capsule;
  /** As it is now. */
  state(): State;
  /** A start found the effect asked for: it may have been begun in an earlier life. */
  readonly recovered: boolean;
  /** Takes an event to the capsule. Never before the performer has returned. */
  raise(event: Event): void;
  /** For what belongs into somebody else's batch; the result is called with the promise of its commit. */
  stage(tx: Transaction, event: Event): (durable: Promise<void>) => Promise<void>;
}

export type EffectOf<K extends Effect['kind']> = Extract<Effect, { kind: K }>;

/** Begins an effect; the result ends it, and may be called when it is over already. */
export type Performer<K extends Effect['kind']> = (effect: EffectOf<K>, standing: Standing) => () => void;

export type Performers = { readonly [K in Effect['kind']]: Performer<K> };

export function begin(performers: Performers, effect: Effect, standing: Standing): () => void {
  switch (effect.kind) {
    case 'order':
      return performers.order(effect, standing);
    case 'watch':
      return performers.watch(effect, standing);
    case 'ask':
      return performers.ask(effect, standing);
    case 'run':
      return performers.run(effect, standing);
    case 'stop':
      return performers.stop(effect, standing);
    case 'deliver':
      return performers.deliver(effect, standing);
    case 'cancel':
      return performers.cancel(effect, standing);
    case 'wait':
      return performers.wait(effect, standing);
    case 'timer':
      return performers.timer(effect, standing);
  }
}
