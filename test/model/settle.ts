import { S, WHO, type Who } from './documents.ts';
import { reactionsTo, send, sendAll } from './happen.ts';
import {
  BEGUN,
  DISK,
  left,
  MEMORY,
  ON_THE_WAY,
  PAST,
  setWord,
  TOLD,
  type Universe,
  type World,
  wordOf,
} from './world.ts';

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
  forget(universe, next);
}

/** What can change nothing any more need not be told apart from what never was. */
function forget(universe: Universe, next: World): void {
  const onTheWay = next[ON_THE_WAY] ?? 0;
  for (const id of universe.sets.get(onTheWay)) {
    const { to } = universe.messages.get(id);
    const memory = wordOf(next, to, MEMORY);
    if (memory !== wordOf(next, to, DISK) || !universe.isSpent(to, memory, id)) continue;
    const reactions = reactionsTo(universe, to, memory, id).flat();
    if (reactions.every((reaction) => reaction.memory === memory && reaction.told === 0))
      next[ON_THE_WAY] = universe.sets.without(next[ON_THE_WAY] ?? 0, id);
  }
}

export function mayCrash({ scenario }: Universe, world: World, who: Who): boolean {
  return left(world, 'crashes') && scenario.crashing.includes(who);
}

export function toDisk(universe: Universe, next: World, who: Who): void {
  const memory = wordOf(next, who, MEMORY);
  const told = wordOf(next, who, TOLD);
  setWord(next, who, DISK, memory);
  setWord(next, who, TOLD, 0);
  sendAll(universe, next, told);
  const root = universe.scenario.capsule.id;
  if (who === S && universe.memories.get(memory).locals.has(root))
    next[PAST] = universe.sets.with(next[PAST] ?? 0, universe.fact('confirmed'));
}
