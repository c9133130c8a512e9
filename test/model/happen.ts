import { nameOf, type Who } from './documents.ts';
import { describe } from './message.ts';
import type { Memory } from './node.ts';
import {
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

export interface From {
  universe: Universe;
  world: World;
  who: Who;
  emit: Emit;
}

/** Events at one node, from its present memory; `costs` is taken from what may still happen. */
export function happen(
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

/** A message comes, is lost, or comes and will come again. */
export function arrive(universe: Universe, world: World, id: number, emit: Emit): void {
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

export function deliver(universe: Universe, world: World, id: number, emit: Emit, label: () => string): void {
  const { to: who } = universe.messages.get(id);
  const readings = reactionsTo(universe, who, wordOf(world, who, MEMORY), id);
  if (readings.length === 0) emit(world.slice(), () => `${label()}: nothing comes of it`);
  readings.forEach((reactions, index) => {
    reactions.forEach((reaction, choice) => {
      const next = world.slice();
      follow(universe, next, who, reaction);
      emit(next, () => `${label()}${choiceOf(index, readings)}${choiceOf(choice, reactions)}`);
    });
  });
}

const choiceOf = (index: number, all: readonly unknown[]) => (all.length > 1 ? ` [${index + 1}]` : '');

/** For each way in which the receiver may read a message, what it may make of it. */
export function reactionsTo(universe: Universe, who: Who, memory: number, id: number): readonly Reacted[][] {
  return universe.readings(who, memory, id).map((reading, index) => [
    ...universe.react(who, memory, `read ${id} ${index}`, () => {
      const message = universe.messages.get(id);
      const { from, capsule } = message;
      const before = universe.memories.get(memory);
      if ('events' in reading) return { before, tasks: reading.events.map((event) => ({ capsule, event })) };
      const answers = [{ ...reading.answer, from: who, to: from, capsule }];
      if (reading.fence === undefined) return { before, tasks: [], answers };
      const fence = `${from} ${capsule}`;
      const epoch = Math.max(reading.fence, before.fences.get(fence) ?? -1);
      const fences = new Map(before.fences).set(fence, epoch);
      return { before: { ...before, fences }, tasks: [], answers };
    }),
  ]);
}

/** The node has the new memory, and tells what it has to tell as soon as that is durable. */
export function follow(universe: Universe, next: World, who: Who, { memory, told }: Reacted): void {
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

export function sendAll(universe: Universe, next: World, messages: number): void {
  for (const message of universe.sets.get(messages)) send(universe, next, message);
}

export function send({ sets, messages, ...rest }: Universe, next: World, message: number): void {
  const { to, kind } = messages.get(message);
  if (to === 2 && rest.scenario.hostile) {
    if (kind === 'order') next[SEEN] = sets.with(next[SEEN] ?? 0, message);
    return;
  }
  next[ON_THE_WAY] = sets.with(next[ON_THE_WAY] ?? 0, message);
}
