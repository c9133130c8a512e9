import { step } from '../../src/exchange/machine/machine.ts';
import { WHO } from './documents.ts';
import { checkMemory, checkWorld } from './invariants.ts';
import { expand } from './moves.ts';
import type { Step } from './node.ts';
import type { Scenario } from './scenarios.ts';
import { Violation } from './violation.ts';
import { MEMORY, Universe, WORDS, type World, wordOf } from './world.ts';
import { WorldSet } from './world-set.ts';

export interface Explored {
  /** Distinct worlds found. */
  states: number;
  moves: number;
  /** Every world was looked at; false where the bound came first. */
  whole: boolean;
  depth: number;
  /** The shortest list of events that leads to something that must never be. */
  found: { what: string; events: string[] } | null;
}

/** Breadth first over distinct worlds, about `most` of them, so that what is found first is shortest. */
export function explore(scenario: Scenario, most: number, take: Step = step): Explored {
  const universe = new Universe(scenario, take);
  const worlds = new WorldSet(WORDS);
  const parents: number[] = [-1];
  const depths: number[] = [0];
  const checked = WHO.map(() => new Set<number>());
  worlds.add(universe.first());
  let moves = 0;
  let at = 0;
  const check = (world: World): void => {
    for (const who of WHO) {
      const memory = wordOf(world, who, MEMORY);
      const known = checked[who];
      if (known === undefined || known.has(memory)) continue;
      known.add(memory);
      checkMemory(universe, memory, who);
    }
    checkWorld(universe, world);
  };
  const result = (found: Explored['found']): Explored => ({
    states: worlds.size,
    moves,
    whole: at >= worlds.size,
    depth: depths.at(-1) ?? 0,
    found,
  });
  const trace = (number: number): string[] => pathTo(universe, worlds, parents, number);
  for (; at < worlds.size && worlds.size < most; at++) {
    const depth = (depths[at] ?? 0) + 1;
    let last: (() => string) | undefined;
    try {
      expand(universe, worlds.get(at), (next, label) => {
        moves++;
        if (worlds.add(next) === -1) return;
        parents.push(at);
        depths.push(depth);
        last = label;
        check(next);
        last = undefined;
      });
    } catch (error) {
      if (!(error instanceof Violation)) {
        if (error instanceof Error) error.message += `\n${trace(at).join('\n')}`;
        throw error;
      }
      return result({ what: error.message, events: [...trace(at), ...(last === undefined ? [] : [last()])] });
    }
  }
  return result(null);
}

/** The events that led there: each world's way from its parent is found again by comparing. */
function pathTo(universe: Universe, worlds: WorldSet, parents: readonly number[], number: number): string[] {
  const events: string[] = [];
  for (let here = number; (parents[here] ?? -1) !== -1; here = parents[here] ?? -1) {
    const world = worlds.get(here).join();
    let how = '';
    expand(universe, worlds.get(parents[here] ?? 0), (next, label) => {
      if (how === '' && next.join() === world) how = label();
    });
    events.unshift(how);
  }
  return events;
}
