import type { Event } from '../../src/exchange/machine/event.ts';
import { nameOf, S, WHO, type Who } from './documents.ts';
import { stepsOf } from './inbound.ts';
import { describe, type Message, type Said } from './message.ts';
import type { Memory } from './node.ts';
import type { Budgets } from './scenarios.ts';
import { Violation } from './violation.ts';
import {
  type Asked,
  BEGUN,
  DISK,
  type Happening,
  left,
  MEMORY,
  ON_THE_WAY,
  PAST,
  type Reacted,
  SEEN,
  setWord,
  spend,
  TOLD,
  type Universe,
  type World,
  wordOf,
} from './world.ts';

/** One world that may follow. `label` says how, for a person. */
export type Emit = (next: World, label: () => string) => void;

/** Every world that may follow this one, in an order that is always the same. */
export function expand(universe: Universe, world: World, found: Emit): void {
  const emit: Emit = (next, label) => {
    settle(universe, next);
    found(next, label);
  };
  for (const who of WHO) {
    if (universe.isHostile(who)) continue;
    const from = { universe, world, who, emit };
    submitOrCancel(from);
    sync(from);
    for (const asked of universe.asked(wordOf(world, who, MEMORY))) perform(from, asked);
    part(from);
    crash(from);
  }
  for (const message of universe.sets.get(world[ON_THE_WAY] ?? 0)) arrive(universe, world, message, emit);
  if (universe.scenario.hostile) {
    for (const id of universe.lies(world[SEEN] ?? 0))
      deliver(universe, world, id, emit, () => `lie, ${describe(universe.messages.get(id))}`);
  }
}

/**
 * What need not be a move of its own, since what is on the way may stay there for ever: what a standing effect sends is
 * on its way, and where nothing crashes any more everything is synced at once.
 */
export function settle(universe: Universe, next: World): void {
  for (const who of WHO) {
    if (universe.isHostile(who)) continue;
    const memory = wordOf(next, who, MEMORY);
    if (!mayCrash(universe, next, who)) toDisk(universe, next, who);
    const disk = wordOf(next, who, DISK);
    sendAll(universe, next, universe.sent(who, memory, disk));
    for (const { key, message } of universe.orders(who, memory, disk)) {
      const begun = wordOf(next, who, BEGUN);
      if (universe.sets.get(begun).includes(key)) continue;
      setWord(next, who, BEGUN, universe.sets.with(begun, key));
      send(universe, next, message);
    }
  }
}

function mayCrash({ scenario }: Universe, world: World, who: Who): boolean {
  return left(world, 'crashes') && scenario.crashing.includes(who);
}

interface From {
  universe: Universe;
  world: World;
  who: Who;
  emit: Emit;
}

/** Events at one node, from its present memory; `costs` is taken from what may still happen. */
function happen(
  { universe, world, who, emit }: From,
  name: string,
  make: (memory: Memory) => Omit<Happening, 'before'> & { before?: Memory },
  label: string,
  change: (next: World) => void = () => {},
): void {
  const memory = wordOf(world, who, MEMORY);
  const reactions = universe.react(who, memory, name, () => {
    const before = universe.memories.get(memory);
    return { before, ...make(before) };
  });
  reactions.forEach((reaction, index) => {
    const next = world.slice();
    change(next);
    follow(universe, next, who, reaction);
    emit(next, () => `${nameOf(who)}: ${label}${reactions.length > 1 ? ` [${index + 1}]` : ''}`);
  });
}

/** The node has the new memory, and tells what it has to tell as soon as that is durable. */
function follow(universe: Universe, next: World, who: Who, { memory, told }: Reacted): void {
  const unchanged = memory === wordOf(next, who, DISK) && wordOf(next, who, TOLD) === 0;
  setWord(next, who, MEMORY, memory);
  if (unchanged && memory === wordOf(next, who, DISK)) sendAll(universe, next, told);
  else setWord(next, who, TOLD, universe.sets.join(wordOf(next, who, TOLD), told));
  const standing = new Set(universe.asked(memory).map(({ key }) => key));
  let begun = wordOf(next, who, BEGUN);
  for (const key of universe.sets.get(begun))
    if (!standing.has(key)) begun = universe.sets.without(begun, key);
  setWord(next, who, BEGUN, begun);
}

function sendAll(universe: Universe, next: World, messages: number): void {
  for (const message of universe.sets.get(messages)) send(universe, next, message);
}

function send({ sets, messages, ...rest }: Universe, next: World, message: number): void {
  const { to, kind } = messages.get(message);
  if (to === 2 && rest.scenario.hostile) {
    if (kind === 'order') next[SEEN] = sets.with(next[SEEN] ?? 0, message);
    return;
  }
  next[ON_THE_WAY] = sets.with(next[ON_THE_WAY] ?? 0, message);
}

function submitOrCancel(from: From): void {
  const { universe, world, who } = from;
  if (who !== S) return;
  const { capsule } = universe.scenario;
  const root = universe.memories.get(wordOf(world, who, MEMORY)).locals.get(capsule.id);
  if (root === undefined) {
    const event: Event = { type: 'submitted', capsule, root: capsule.id, only: null };
    // Before anybody was told anything, executors that offer the same are one another's mirror images.
    const again = universe.sets.get(world[PAST] ?? 0).includes(universe.fact('submitted'));
    const tasks = [{ capsule: capsule.id, event, mirrored: !again }];
    happen(
      from,
      `submit ${again}`,
      () => ({ tasks }),
      'submit',
      (next) => {
        next[PAST] = universe.sets.with(next[PAST] ?? 0, universe.fact('submitted'));
      },
    );
    return;
  }
  const ended = root.state.life.care?.phase.kind === 'ended';
  if (ended || !left(world, 'cancels')) return;
  const tasks = [{ capsule: capsule.id, event: { type: 'cancel' } satisfies Event }];
  happen(
    from,
    'cancel',
    () => ({ tasks }),
    'cancel by the user',
    (next) => spend(next, 'cancels'),
  );
}

/** Everything committed so far gets to the disk, and what waited for that is told. */
function sync({ universe, world, who, emit }: From): void {
  const memory = wordOf(world, who, MEMORY);
  const told = wordOf(world, who, TOLD);
  if (memory === wordOf(world, who, DISK) && told === 0) return;
  const next = world.slice();
  toDisk(universe, next, who);
  emit(next, () => `${nameOf(who)}: synced`);
}

function toDisk(universe: Universe, next: World, who: Who): void {
  const memory = wordOf(next, who, MEMORY);
  const told = wordOf(next, who, TOLD);
  setWord(next, who, DISK, memory);
  setWord(next, who, TOLD, 0);
  sendAll(universe, next, told);
  const root = universe.scenario.capsule.id;
  if (who === S && universe.memories.get(memory).locals.has(root))
    next[PAST] = universe.sets.with(next[PAST] ?? 0, universe.fact('confirmed'));
}

function perform(from: From, { capsule, effect, key }: Asked): void {
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
      return event('lost', { type: 'lost', epoch: effect.epoch }, 'lost the executor of', 'cuts');
    case 'ask':
    case 'cancel':
    case 'deliver':
    case 'stop':
      return;
    case 'wait':
      return event('changed', { type: 'changed' }, 'something changed for');
    case 'timer': {
      if (!left(world, 'timers')) return;
      const tasks = [{ capsule, event: { type: 'due' } satisfies Event }];
      const make = (memory: Memory) => ({
        before: { ...memory, clock: Math.max(memory.clock, effect.at) },
        tasks,
      });
      return happen(from, `due ${key}`, make, `due at ${effect.at}, ${capsule}`, (next) =>
        spend(next, 'timers'),
      );
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
    ...ends.filter((end) => (end === 'before' ? !begun : canEnd && (begun || work.stop === null))),
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
function part(from: From): void {
  const { universe, world, who } = from;
  if (!left(world, 'cuts')) return;
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

/** The process ends and starts again: with what is on the disk, or with what got there before anything was told. */
function crash(from: From): void {
  const { universe, world, who, emit } = from;
  if (!mayCrash(universe, world, who)) return;
  const memory = wordOf(world, who, MEMORY);
  const disk = wordOf(world, who, DISK);
  const { clock, locals } = universe.memories.get(memory);
  if (locals.size === 0) return;
  const kept = memory === disk ? [disk] : [disk, memory];
  for (const life of kept) {
    const reactions = universe.react(who, life, `restarted ${clock}`, () => {
      const before = { ...universe.memories.get(life), clock };
      const tasks = [...before.locals]
        .filter(([, { state }]) => state.open)
        .map(([capsule]) => ({ capsule, event: { type: 'restarted', mayRepeat: true } satisfies Event }));
      return { before, tasks };
    });
    for (const reaction of reactions) {
      const next = world.slice();
      spend(next, 'crashes');
      setWord(next, who, DISK, life);
      setWord(next, who, TOLD, 0);
      for (const key of universe.sets.get(wordOf(next, who, BEGUN)))
        next[PAST] = universe.sets.with(next[PAST] ?? 0, universe.fact(`earlier ${universe.facts.get(key)}`));
      setWord(next, who, BEGUN, 0);
      follow(universe, next, who, reaction);
      emit(next, () => `${nameOf(who)}: crashed${life === disk ? '' : ' after the sync'}, and started again`);
    }
  }
}

function arrive(universe: Universe, world: World, id: number, emit: Emit): void {
  const message = universe.messages.get(id);
  const gone = universe.sets.without(world[ON_THE_WAY] ?? 0, id);
  const without = world.slice();
  without[ON_THE_WAY] = gone;
  deliver(universe, without, id, emit, () => `deliver ${describe(message)}`);
  if (left(world, 'losses')) {
    const next = without.slice();
    spend(next, 'losses');
    emit(next, () => `lose ${describe(message)}`);
  }
  // A stream brings a frame once; what comes twice was sent twice, and an order of such work never is.
  const once = message.kind === 'order' && !universe.mayRepeat(message);
  if (left(world, 'doubles') && !once) {
    const kept = world.slice();
    spend(kept, 'doubles');
    if (message.kind === 'order')
      kept[PAST] = universe.sets.with(kept[PAST] ?? 0, universe.fact(`doubled ${id}`));
    deliver(universe, kept, id, emit, () => `deliver, to come again, ${describe(message)}`);
  }
}

function deliver(universe: Universe, world: World, id: number, emit: Emit, label: () => string): void {
  const message = universe.messages.get(id);
  const { to: who, from, capsule } = message;
  const memory = wordOf(world, who, MEMORY);
  const readings = universe.readings(who, memory, id);
  if (readings.length === 0) emit(world.slice(), () => `${label()}: nothing comes of it`);
  readings.forEach((reading, index) => {
    const named = () => `${label()}${readings.length > 1 ? ` [${index + 1}]` : ''}`;
    const name = `read ${id} ${index}`;
    const reactions = universe.react(who, memory, name, () => {
      const before = universe.memories.get(memory);
      const answer = (said: Said): Message => ({ ...said, from: who, to: from, capsule });
      if ('event' in reading) return { before, tasks: [{ capsule, event: reading.event }], about: message };
      if (!('fence' in reading)) return { before, tasks: [], answers: [answer(reading.answer)] };
      const fence = `${from} ${capsule}`;
      const epoch = Math.max(reading.fence, before.fences.get(fence) ?? 0);
      return {
        before: { ...before, fences: new Map(before.fences).set(fence, epoch) },
        tasks: [],
        answers: [answer(reading.answer)],
      };
    });
    reactions.forEach((reaction, choice) => {
      const next = world.slice();
      follow(universe, next, who, reaction);
      emit(next, () => (reactions.length > 1 ? `${named()} (${choice + 1})` : named()));
    });
  });
}
