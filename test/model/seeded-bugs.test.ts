import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/exchange/machine/event.ts';
import { step } from '../../src/exchange/machine/machine.ts';
import type { State } from '../../src/exchange/machine/state.ts';
import { explore } from './explore.ts';
import type { Step } from './node.ts';
import { SCENARIOS } from './scenarios.ts';

/** More than any of these bugs needs. */
const STATES = 60_000;

type Taken = ReturnType<Step>;

/** The machine with another outcome. */
const after =
  (change: (taken: Taken, event: Event, before: State | undefined) => Taken): Step =>
  (state, capsule, event, setting) =>
    change(step(state, capsule, event, setting), event, state);

/** The machine that takes one event for another. */
const instead =
  (change: (event: Event, state: State | undefined) => Event | undefined): Step =>
  (state, capsule, event, setting) => {
    const other = change(event, state);
    if (other !== undefined) return step(state, capsule, other, setting);
    if (state === undefined) throw new TypeError('Only a known capsule can miss an event.');
    return { state, writes: [], replies: [], notes: [] };
  };

const withLife = (taken: Taken, life: Partial<State['life']>): Taken => ({
  ...taken,
  state: { ...taken.state, life: { ...taken.state.life, ...life } },
});

const BUGS: { name: string; scenario: string; found: RegExp; machine: Step }[] = [
  {
    name: 'a second result is paid as well',
    scenario: 'paid work that may repeat: cuts and late timers',
    found: /booked .* after/,
    machine: after((taken, event, before) => {
      if (event.type !== 'result' || before?.status !== 'completed') return taken;
      const { receiptHash, identity: credit, charge } = event.receipt;
      const debit = before.originIdentity;
      return {
        ...taken,
        writes: [...taken.writes, { kind: 'book', debit, credit, amount: charge ?? 0, receiptHash }],
      };
    }),
  },
  {
    name: 'a start is not noticed',
    scenario: 'free work that may not repeat: executors crash',
    found: /may not run twice/,
    machine: instead((event) => (event.type === 'restarted' ? undefined : event)),
  },
  {
    name: 'silence is taken for an order that never came',
    scenario: 'free work that may not repeat: cuts and late timers',
    found: /may not run twice/,
    machine: instead((event) =>
      event.type === 'silent' ? { type: 'unreachable', epoch: event.epoch } : event,
    ),
  },
  {
    name: 'a lost executor of work that may not repeat is replaced',
    scenario: 'paid work that may not repeat: cuts and late timers',
    found: /may not run twice/,
    machine: after((taken) => {
      const { care } = taken.state.life;
      if (care === null) return taken;
      const grants = care.grants.map((grant) => ({ ...grant, mayRepeat: true }));
      return withLife(taken, { care: { ...care, grants } });
    }),
  },
  {
    name: 'no step begins its life',
    scenario: 'chain continued by its submitter: cuts and late timers',
    found: /does not see to the step/,
    machine: after((taken) => ({ ...taken, writes: taken.writes.filter(({ kind }) => kind !== 'spawn') })),
  },
  {
    name: 'the payer does not book what it settles',
    scenario: 'paid work that may not repeat: doubles and losses',
    found: /the submitter did not/,
    machine: after((taken, { type }) =>
      type === 'result' ? { ...taken, writes: taken.writes.filter(({ kind }) => kind !== 'book') } : taken,
    ),
  },
  {
    name: 'a cancelled capsule fails although it was completed',
    scenario: 'paid work that may repeat: cancelled',
    found: /was completed and became failed|its status is/,
    machine: after((taken, { type }, before) =>
      type === 'stopped' && before?.status === 'completed'
        ? { ...taken, state: { ...taken.state, status: 'failed' } }
        : taken,
    ),
  },
  {
    name: 'the executor takes every refused payment back',
    scenario: 'paid work that may repeat: doubles and losses',
    found: /took back/,
    machine: instead((event) =>
      event.type === 'acknowledged'
        ? {
            type: 'refused',
            from: event.from,
            epoch: event.epoch,
            error: { code: 'conflict', message: '' },
            proven: true,
          }
        : event,
    ),
  },
  {
    name: 'it waits for a run of its own that was never asked for',
    scenario: 'free work that may not repeat: cuts and late timers',
    found: /no run is asked for/,
    machine: after((taken) => {
      const { care } = taken.state.life;
      if (care?.phase.kind !== 'learning') return taken;
      return withLife(taken, { care: { ...care, phase: { kind: 'here' } } });
    }),
  },
];

describe('the explorer finds a machine that', () => {
  it.each(BUGS.map((bug) => [bug.name, bug] as const))('%s', (_, { scenario: name, found, machine }) => {
    const scenario = SCENARIOS.find((each) => each.name === name);
    if (scenario === undefined) throw new RangeError(`There is no scenario "${name}".`);
    const explored = explore(scenario, STATES, machine);
    expect(explored.found?.what ?? `nothing in ${explored.states} states`).toMatch(found);
    expect(explored.found?.events.length).toBeGreaterThan(0);
  });
});
