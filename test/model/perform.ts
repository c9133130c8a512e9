import type { Event } from '../../src/exchange/machine/event.ts';
import { nameOf } from './documents.ts';
import { type From, happen } from './happen.ts';
import { stepsOf } from './inbound.ts';
import type { Memory } from './node.ts';
import type { Budgets } from './scenarios.ts';
import { Violation } from './violation.ts';
import {
  type Asked,
  BEGUN,
  DISK,
  left,
  MEMORY,
  ON_THE_WAY,
  PAST,
  setWord,
  spend,
  type World,
  wordOf,
} from './world.ts';

export function perform(from: From, { capsule, effect, key }: Asked): void {
  const { universe, world, who } = from;
  const begun = universe.sets.get(wordOf(world, who, BEGUN)).includes(key);
  const early = 'early' in effect && effect.early;
  const durable = early || universe.asked(wordOf(world, who, DISK)).some((asked) => asked.key === key);
  const event = (name: string, event: Event, label: string, costs?: keyof Budgets): void => {
    if (costs !== undefined && !left(world, costs)) return;
    const change = (next: World) => {
      if (costs !== undefined) spend(next, costs);
    };
    happen(from, `${name} ${key}`, () => ({ tasks: [{ capsule, event }] }), `${label} ${capsule}`, change);
  };
  switch (effect.kind) {
    case 'order': {
      if (!begun) return;
      const { epoch } = effect.lease;
      event('silent', { type: 'silent', epoch }, 'no answer to the order of', 'cuts');
      unreachable(from, { capsule, effect, key });
      return;
    }
    case 'watch':
      event('lost', { type: 'lost', epoch: effect.epoch }, 'lost the executor of', 'cuts');
      return;
    case 'ask':
    case 'cancel':
    case 'stop':
      return;
    case 'deliver': {
      const state = universe.memories.get(wordOf(world, who, MEMORY)).locals.get(capsule)?.state;
      const work = state?.life.work;
      if (!durable || work?.kind !== 'delivering' || work.offered || work.outcome.charge === null) return;
      if (effect.to === state?.submitter)
        event('offered', { type: 'offered' }, 'the payer was sent the result of');
      return;
    }
    case 'wait':
      event('changed', { type: 'changed' }, 'something changed for');
      return;
    case 'timer': {
      if (!left(world, 'timers')) return;
      const tasks = [{ capsule, event: { type: 'due' } satisfies Event }];
      const make = (memory: Memory) => ({
        before: { ...memory, clock: Math.max(memory.clock, effect.at) },
        tasks,
      });
      happen(from, `due ${key}`, make, `due at ${effect.at}, ${capsule}`, (next) => spend(next, 'timers'));
      return;
    }
    case 'run':
      if (durable) run(from, { capsule, effect, key }, begun);
      return;
  }
}

/** The order of this life did not get away; one that an earlier life of the node had sent may still come. */
function unreachable(from: From, { capsule, effect, key }: Asked): void {
  const { universe, world, who } = from;
  if (effect.kind !== 'order' || !left(world, 'cuts')) return;
  const order = universe.order(who, capsule, effect);
  const onTheWay = world[ON_THE_WAY] ?? 0;
  const earlier = universe.sets.get(world[PAST] ?? 0).includes(universe.fact(`earlier ${key}`));
  const past = universe.sets.get(world[PAST] ?? 0);
  const came =
    past.includes(universe.fact(`doubled ${order}`)) || !universe.sets.get(onTheWay).includes(order);
  if (came && !earlier) return;
  const { epoch } = effect.lease;
  const tasks = [{ capsule, event: { type: 'unreachable', epoch } satisfies Event }];
  happen(
    from,
    `unreachable ${key}`,
    () => ({ tasks }),
    `cannot dial for ${capsule}`,
    (next) => {
      spend(next, 'cuts');
      if (!earlier) next[ON_THE_WAY] = universe.sets.without(onTheWay, order);
    },
  );
}

/** Work that may not repeat is begun and ended apart, so that whatever comes between is seen. */
function run(from: From, { capsule, effect, key }: Asked, begun: boolean): void {
  const { universe, world, who, emit } = from;
  const work = universe.memories.get(wordOf(world, who, MEMORY)).locals.get(capsule)?.state.life.work;
  if (work?.kind !== 'running' || effect.kind !== 'run') return;
  const started = universe.fact(`begun ${capsule}`);
  const isStarted = universe.sets.get(world[PAST] ?? 0).includes(started);
  if (!work.mayRepeat && !begun && work.stop === null) {
    const next = world.slice();
    setWord(next, who, BEGUN, universe.sets.with(wordOf(next, who, BEGUN), key));
    next[PAST] = universe.sets.with(next[PAST] ?? 0, started);
    if (isStarted) throw new Violation(`${capsule} may not run twice, and begins again at ${nameOf(who)}.`);
    emit(next, () => `${nameOf(who)}: begins to run ${capsule}`);
  }
  const { ends } = universe.scenario;
  const canEnd = work.mayRepeat || begun;
  const possible = [
    ...ends.filter((end) =>
      end === 'before' ? !begun && work.stop === null : canEnd && (begun || work.stop === null),
    ),
    ...(work.stop === null ? [] : (['stopped'] as const)),
  ];
  for (const end of possible) {
    if (work.mayRepeat && isStarted)
      throw new Violation(
        `${capsule} was begun where it may not run twice, and runs again at ${nameOf(who)}.`,
      );
    if (end === 'unfit' && universe.documents.capsule(capsule).next === null) continue;
    const outcome = universe.documents.conclude(who, work.lease, end, end === 'stopped' ? work.stop : null);
    const { receipt, lease, error } = outcome;
    const completed = receipt.status === 'completed';
    const steps = completed ? stepsOf(who, receipt.receiptHash, universe.documents) : [];
    const event: Event = { type: 'ran', receipt, lease, result: null, error, steps };
    const name = `ran ${receipt.receiptHash}`;
    happen(
      from,
      name,
      () => ({ tasks: [{ capsule, event }] }),
      `ran ${capsule}: ${work.stop === null ? end : `${end} though stopped`}`,
    );
  }
}

/** Its connection to whoever waits for the result is lost. */
export function part(from: From): void {
  const { universe, world, who } = from;
  // It tells only whether a payment may be taken back.
  if (!left(world, 'cuts') || universe.scenario.capsule.paymentRule === null) return;
  for (const [capsule, { state }] of universe.memories.get(wordOf(world, who, MEMORY)).locals) {
    const { work } = state.life;
    if (work === null || work.kind === 'delivered' || work.lapsed) continue;
    const event: Event = { type: 'parted', from: state.submitter };
    happen(
      from,
      `parted ${capsule}`,
      () => ({ tasks: [{ capsule, event }] }),
      `parted from the submitter of ${capsule}`,
      (next) => spend(next, 'cuts'),
    );
  }
}
