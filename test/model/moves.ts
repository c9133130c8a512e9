import type { Event } from '../../src/exchange/machine/event.ts';
import { nameOf, S, WHO } from './documents.ts';
import { arrive, deliver, type Emit, type From, follow, happen } from './happen.ts';
import { describe } from './message.ts';
import { part, perform } from './perform.ts';
import { mayCrash, settle, toDisk } from './settle.ts';
import {
  BEGUN,
  DISK,
  left,
  MEMORY,
  ON_THE_WAY,
  PAST,
  SEEN,
  setWord,
  spend,
  TOLD,
  type Universe,
  type World,
  wordOf,
} from './world.ts';

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
      const before = { ...universe.memories.get(life), fences: new Map<string, number>(), clock };
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
      // Its connections end with it: whatever was on its way to it does not come.
      for (const id of universe.sets.get(next[ON_THE_WAY] ?? 0))
        if (universe.messages.get(id).to === who)
          next[ON_THE_WAY] = universe.sets.without(next[ON_THE_WAY] ?? 0, id);
      follow(universe, next, who, reaction);
      emit(next, () => `${nameOf(who)}: crashed${life === disk ? '' : ' after the sync'}, and started again`);
    }
  }
}
