import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Lane, type Party, type Standing, type Ticket, WorkQueue } from '../../../src/lib/queue.ts';

const SIZES = { concurrency: 6, maxWaiting: 32, maxWaitingPerLane: 16 };
const LANES: Lane[] = [
  { key: 'one', concurrency: 1 },
  { key: 'two', concurrency: 2 },
  { key: 'many', concurrency: 8 },
];
const PARTIES: Party[] = [
  { key: 'me', standing: 'own' },
  ...['a', 'b'].map((key) => ({ key, standing: 'known' as const })),
  ...['s', 't', 'u', 'v'].map((key) => ({ key, standing: 'stranger' as const })),
];

type Step =
  | { do: 'admit'; lane: number; party: number; runs: number | undefined }
  | { do: 'start' | 'release' | 'abort'; pick: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('admit' as const),
      lane: fc.nat(LANES.length - 1),
      party: fc.nat(PARTIES.length - 1),
      // Most run where they were asked.
      runs: fc.option(fc.nat(LANES.length - 1), { nil: undefined, freq: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'start' as const,
        'start' as const,
        'start' as const,
        'release' as const,
        'abort' as const,
      ),
      pick: fc.nat(),
    }),
  },
);

interface Task {
  ticket: Ticket;
  party: Party;
  asked: Lane;
  runs: Lane;
  state: 'admitted' | 'waiting' | 'running' | 'aborted';
  abort: AbortController;
  order: number;
}

/** What the shares come to for `SIZES` (shares.ts `SHARES`). */
const SLOTS = { others: 5, strangers: 3, stranger: 1, known: 4 };
const PLACES = { others: 5 + 28, strangers: 3 + 8, stranger: 1 + 2, known: 4 + 16 };
/** Of each lane, what others than the owner may run in it. */
const LANE_SLOTS = new Map([
  ['one', 1],
  ['two', 1],
  ['many', 6],
]);

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const count = (tasks: readonly Task[], which: (task: Task) => boolean): number => tasks.filter(which).length;
const is =
  (...standings: Standing[]) =>
  ({ party }: Task): boolean =>
    standings.includes(party.standing);

/** Whether the bounds would let this party run one more in the lane. */
function mayRun(running: readonly Task[], { party, runs }: Pick<Task, 'party' | 'runs'>): boolean {
  const here = running.filter((task) => task.runs === runs);
  if (running.length >= SIZES.concurrency || here.length >= runs.concurrency) return false;
  if (party.standing === 'own') return true;
  const others = is('known', 'stranger');
  const mine = count(running, (task) => task.party === party);
  if (count(running, others) >= SLOTS.others || mine >= SLOTS[party.standing]) return false;
  if (count(here, others) >= (LANE_SLOTS.get(runs.key) ?? 0)) return false;
  return party.standing === 'known' || count(running, is('stranger')) < SLOTS.strangers;
}

function mayEnter(held: readonly Task[], party: Party, asked: Lane): boolean {
  const own = party.standing === 'own';
  const inLane = count(held, (task) => task.asked === asked && (task.party.standing === 'own') === own);
  if (held.length >= SIZES.concurrency + SIZES.maxWaiting) return false;
  if (inLane >= asked.concurrency + SIZES.maxWaitingPerLane) return false;
  if (own) return true;
  if (count(held, is('known', 'stranger')) >= PLACES.others) return false;
  if (count(held, (task) => task.party === party) >= PLACES[party.standing]) return false;
  return party.standing === 'known' || count(held, is('stranger')) < PLACES.strangers;
}

describe('WorkQueue', () => {
  it('admits and runs exactly what the shares allow, and leaves no slot idle that somebody may have', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 150 }), async (steps) => {
        const queue = new WorkQueue(SIZES);
        let held: Task[] = [];
        let order = 0;
        const begin = (task: Task): void => {
          task.state = 'waiting';
          task.order = order++;
          void task.ticket.start({ lane: task.runs, signal: task.abort.signal }).then(
            () => {
              task.state = 'running';
            },
            () => {
              task.state = 'aborted';
            },
          );
        };
        for (const each of steps) {
          if (each.do === 'admit') {
            const [asked, party] = [LANES[each.lane], PARTIES[each.party]];
            if (asked === undefined || party === undefined) throw new Error('No such lane or party.');
            const may = mayEnter(held, party, asked);
            expect(queue.hasRoom(asked, party)).toBe(may);
            const ticket = queue.admit(asked, party);
            expect(ticket !== undefined).toBe(may);
            if (ticket === undefined) continue;
            const runs = LANES[each.runs ?? each.lane] ?? asked;
            held.push({
              ticket,
              party,
              asked,
              runs,
              state: 'admitted',
              abort: new AbortController(),
              order: 0,
            });
          } else {
            const wanted = each.do === 'start' ? 'admitted' : each.do === 'abort' ? 'waiting' : undefined;
            const choice = held.filter(({ state }) => wanted === undefined || state === wanted);
            const task = choice[each.pick % Math.max(1, choice.length)];
            if (task === undefined) continue;
            if (each.do === 'start') begin(task);
            else if (each.do === 'abort') task.abort.abort();
            else {
              task.ticket.release();
              held = held.filter((other) => other !== task);
            }
          }
          await settle();
          const running = held.filter(({ state }) => state === 'running');
          expect([queue.size, queue.running]).toEqual([held.length, running.length]);
          for (const task of held) if (task.state === 'waiting') expect(mayRun(running, task)).toBe(false);
          for (const task of running) {
            expect(
              mayRun(
                running.filter((other) => other !== task),
                task,
              ),
            ).toBe(true);
            const before = held.filter((other) => other.party === task.party && other.runs === task.runs);
            // Within one party and lane, first come, first served.
            for (const other of before)
              if (other.state === 'waiting') expect(other.order).toBeGreaterThan(task.order);
          }
        }
        for (const { ticket } of held) ticket.release();
        expect([queue.size, queue.running, queue.load]).toEqual([0, 0, 0]);
        for (const party of PARTIES) for (const lane of LANES) expect(queue.hasRoom(lane, party)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});
