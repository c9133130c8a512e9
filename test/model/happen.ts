import { nameOf, type Who } from './documents.ts';
import type { Memory } from './node.ts';
import {
  BEGUN,
  DISK,
  type Happening,
  MEMORY,
  ON_THE_WAY,
  type Reacted,
  SEEN,
  setWord,
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
