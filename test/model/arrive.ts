import type { Who } from './documents.ts';
import { type Emit, follow } from './happen.ts';
import { describe } from './message.ts';
import {
  left,
  MEMORY,
  ON_THE_WAY,
  PAST,
  type Reacted,
  spend,
  type Universe,
  type World,
  wordOf,
} from './world.ts';

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
