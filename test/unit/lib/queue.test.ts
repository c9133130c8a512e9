import { describe, expect, it } from 'vitest';
import { MeshError } from '../../../src/lib/errors.ts';
import { type Lane, type Party, type Ticket, WorkQueue } from '../../../src/lib/queue.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const lane = (key: string, concurrency = 8): Lane => ({ key, concurrency });
const owner: Party = { key: 'owner', standing: 'own' };
const known = (key: string): Party => ({ key, standing: 'known' });
const stranger = (key: string): Party => ({ key, standing: 'stranger' });

/** A queue whose tasks end when the test says so. */
function bench(init: Partial<ConstructorParameters<typeof WorkQueue>[0]> = {}) {
  const queue = new WorkQueue({ concurrency: 2, maxWaiting: 4, maxWaitingPerLane: 4, ...init });
  const started: string[] = [];
  const tickets = new Map<string, Ticket>();
  const add = (
    name: string,
    to: Lane,
    party: Party = owner,
    options: Parameters<Ticket['start']>[0] = {},
  ): Promise<void> | undefined => {
    const ticket = queue.admit(to, party);
    if (ticket === undefined) return undefined;
    tickets.set(name, ticket);
    return ticket.start(options).then(() => void started.push(name));
  };
  /** Names that were let in. */
  const fill = (party: Party, to: Lane, count: number): string[] => {
    const names = Array.from({ length: count }, (_, n) => `${party.key}${n + 1}`);
    return names.filter((name) => add(name, to, party) !== undefined);
  };
  const finish = async (name: string): Promise<void> => {
    tickets.get(name)?.release();
    await settle();
  };
  return { queue, started, add, fill, finish };
}

describe('WorkQueue', () => {
  it('starts at once while there are slots, and then in order of arrival', async () => {
    const { queue, started, add, finish } = bench();
    for (const name of ['a', 'b', 'c', 'd']) void add(name, lane('x'));
    await settle();
    expect(started).toEqual(['a', 'b']);
    expect([queue.running, queue.size]).toEqual([2, 4]);
    await finish('b');
    expect(started).toEqual(['a', 'b', 'c']);
    for (const name of ['a', 'c', 'd']) await finish(name);
    expect(started).toEqual(['a', 'b', 'c', 'd']);
    expect([queue.running, queue.size, queue.sizeOf('x')]).toEqual([0, 0, 0]);
  });

  it('holds a lane to its own limit and lets other lanes pass it', async () => {
    const { queue, started, add, finish } = bench();
    void add('s1', lane('slow', 1));
    void add('s2', lane('slow', 1));
    void add('f1', lane('fast'));
    await settle();
    expect(started).toEqual(['s1', 'f1']);
    expect(queue.sizeOf('slow')).toBe(2);
    await finish('f1');
    expect(started).toEqual(['s1', 'f1']);
    await finish('s1');
    expect(started).toEqual(['s1', 'f1', 's2']);
  });

  it.each([owner, known('friend'), stranger('somebody')])(
    'gives waiting lanes turns ($standing)',
    async (party) => {
      const { started, add, finish } = bench({ concurrency: 1, maxWaiting: 96, maxWaitingPerLane: 96 });
      const names = ['first', 'a1', 'a2', 'a3', 'b1', 'b2'];
      for (const name of names) void add(name, lane(name[0] ?? ''), party);
      for (let turn = 0; turn < names.length; turn++) {
        await settle();
        await finish(started.at(-1) ?? '');
      }
      expect(started).toEqual(['first', 'a1', 'b1', 'a2', 'b2', 'a3']);
    },
  );

  it('has no place when full, over all lanes and for one lane', async () => {
    const { queue, add, finish } = bench({ concurrency: 1, maxWaiting: 3, maxWaitingPerLane: 1 });
    for (const name of ['a', 'b']) void add(name, lane('x', 1));
    expect(queue.hasRoom(lane('x', 1), owner)).toBe(false);
    expect(queue.hasRoom(lane('y', 1), owner)).toBe(true);
    expect(add('refused', lane('x', 1))).toBeUndefined();
    for (const name of ['c', 'd']) void add(name, lane('y', 1));
    expect(queue.load).toBe(1);
    expect(add('refused too', lane('z', 1))).toBeUndefined();
    for (const name of ['a', 'b', 'c', 'd']) await finish(name);
    expect(queue.load).toBe(0);
    expect(queue.hasRoom(lane('x', 1), owner)).toBe(true);
  });

  it('counts a place from admission on, though nothing was started', () => {
    const { queue } = bench({ concurrency: 1, maxWaiting: 1 });
    const [first, second] = [queue.admit(lane('x'), owner), queue.admit(lane('x'), owner)];
    expect([queue.size, queue.running]).toEqual([2, 0]);
    expect(queue.admit(lane('x'), owner)).toBeUndefined();
    first?.release();
    first?.release();
    expect(queue.size).toBe(1);
    expect(queue.hasRoom(lane('x'), owner)).toBe(true);
    second?.release();
    expect(queue.size).toBe(0);
  });

  it('lets a task leave the line when its signal aborts, and takes another in its place', async () => {
    const { queue, started, add, finish } = bench({ concurrency: 1, maxWaiting: 1 });
    void add('a', lane('x'));
    const controller = new AbortController();
    const dropped = add('b', lane('x'), owner, { signal: controller.signal });
    controller.abort(new MeshError('timeout', 'Too late.'));
    await expect(dropped).rejects.toMatchObject({ code: 'timeout', message: 'Too late.' });
    await finish('b');
    expect(queue.size).toBe(1);
    void add('c', lane('x'));
    await finish('a');
    expect(started).toEqual(['a', 'c']);
  });

  it('does not start a task whose signal is aborted already, nor one twice', async () => {
    const { queue, add } = bench();
    const aborted = add('a', lane('x'), owner, { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: 'cancelled' });
    const ticket = queue.admit(lane('x'), owner);
    await ticket?.start();
    await expect(ticket?.start()).rejects.toMatchObject({ code: 'internal' });
    expect(queue.running).toBe(1);
  });

  it('runs in another lane than it was asked in, within the limit of that', async () => {
    const { queue, started, add, finish } = bench({ concurrency: 4 });
    void add('a', lane('slow', 1));
    void add('b', lane('fast'), owner, { lane: lane('slow', 1) });
    await settle();
    expect(started).toEqual(['a']);
    expect([queue.sizeOf('slow'), queue.sizeOf('fast')]).toEqual([1, 1]);
    await finish('a');
    expect(started).toEqual(['a', 'b']);
    await finish('b');
    expect([queue.size, queue.running]).toEqual([0, 0]);
  });
});

describe('shares', () => {
  const init = { concurrency: 8, maxWaiting: 64, maxWaitingPerLane: 32 };

  it('keep slots and places for the owner, whatever strangers and others take', async () => {
    const { queue, started, fill, add } = bench(init);
    const let_in = [
      ...Array.from({ length: 100 }, (_, n) => fill(stranger(`s${n}-`), lane('x'), 300)).flat(),
      ...Array.from({ length: 100 }, (_, n) => fill(known(`k${n}-`), lane(`y${n % 4}`), 300)).flat(),
    ];
    await settle();
    expect(let_in).toHaveLength(6 + 56);
    expect(queue.running).toBe(6);
    for (const name of ['mine1', 'mine2']) void add(name, lane('x'));
    await settle();
    expect(started.slice(-2)).toEqual(['mine1', 'mine2']);
    const more = Array.from({ length: 9 }, (_, n) => add(`more${n}`, lane('x')) !== undefined);
    expect(more).toEqual([...Array.from({ length: 8 }, () => true), false]);
  });

  it('let the owner pass everybody who waits', async () => {
    const { started, fill, add, finish } = bench({ ...init, concurrency: 1 });
    const [running] = fill(known('a'), lane('x'), 5);
    void add('mine', lane('x'));
    await finish(running ?? '');
    expect(started).toEqual(['a1', 'mine']);
  });

  it('bound all strangers together, and each', async () => {
    const { queue, fill } = bench(init);
    expect(fill(stranger('one'), lane('x'), 30_000)).toHaveLength(2 + 4);
    await settle();
    expect(queue.running).toBe(2);
    const others = Array.from({ length: 330 }, (_, n) => fill(stranger(`s${n}`), lane('x'), 4).length);
    expect(others.reduce((sum, each) => sum + each, 6)).toBe(4 + 16);
    await settle();
    expect(queue.running).toBe(4);
    expect(queue.hasRoom(lane('x'), known('friend'))).toBe(true);
  });

  it('leave a slot for a second known party, and half of the waiting places', async () => {
    const { queue, started, fill } = bench({ ...init, maxWaitingPerLane: 64 });
    expect(fill(known('a'), lane('x'), 300)).toHaveLength(5 + 32);
    await settle();
    expect(queue.running).toBe(5);
    fill(known('b'), lane('x'), 1);
    await settle();
    expect(started.at(-1)).toBe('b1');
  });

  it('keep a slot of each lane that has more than one', async () => {
    const { queue, fill, add, started } = bench(init);
    fill(known('a'), lane('x', 2), 5);
    await settle();
    expect(queue.running).toBe(1);
    void add('mine', lane('x', 2));
    await settle();
    expect(started).toEqual(['a1', 'mine']);
  });

  it('let parties take turns, however many tasks each has', async () => {
    const { started, fill, finish } = bench({ concurrency: 1, maxWaiting: 96, maxWaitingPerLane: 96 });
    for (const party of [known('a'), known('b'), stranger('c'), stranger('d')]) fill(party, lane('x'), 3);
    for (let turn = 0; turn < 12; turn++) {
      await settle();
      await finish(started[turn] ?? '');
    }
    expect(started).toEqual(['a1', 'c1', 'a2', 'd1', 'b1', 'c2', 'a3', 'd2', 'b2', 'c3', 'b3', 'd3']);
  });

  it('are free again when a stranger leaves', async () => {
    const { queue, fill, finish } = bench(init);
    const mine = fill(stranger('one'), lane('x'), 100);
    for (const name of mine.reverse()) await finish(name);
    expect([queue.size, queue.running, queue.load]).toEqual([0, 0, 0]);
    expect(fill(stranger('two'), lane('x'), 100)).toHaveLength(6);
  });

  it('make a stranger yield the only slot of a lane, once for each of the owner', async () => {
    const { queue, started, add, finish } = bench(init);
    const yielded: string[] = [];
    const onYield = (name: string) => ({ onYield: () => void yielded.push(name) });
    void add('s1', lane('x', 1), stranger('s'), onYield('s1'));
    void add('s2', lane('y', 1), stranger('s'), onYield('s2'));
    void add('k1', lane('z', 1), known('k'), onYield('k1'));
    await settle();
    void add('mine', lane('x', 1));
    void add('mine too', lane('x', 1));
    void add('after a friend', lane('z', 1));
    expect(yielded).toEqual(['s1']);
    expect(queue.running).toBe(3);
    await finish('s1');
    expect(started).toEqual(['s1', 's2', 'k1', 'mine']);
  });

  it('make a stranger yield the only slot of all', async () => {
    const { started, add, finish } = bench({ ...init, concurrency: 1 });
    let yielded = 0;
    void add('s1', lane('x'), stranger('s'), { onYield: () => yielded++ });
    void add('mine', lane('y'));
    expect(yielded).toBe(1);
    await finish('s1');
    expect(started).toEqual(['s1', 'mine']);
  });
});

describe('room', () => {
  it('is told of once for all that became free in one turn, and only where somebody was refused', async () => {
    let told = 0;
    const { queue, add, finish } = bench({ concurrency: 1, maxWaiting: 2, onRoom: () => told++ });
    for (const name of ['a', 'b', 'c']) void add(name, lane('x'));
    await finish('a');
    expect(told).toBe(0);
    void add('d', lane('x'));
    expect(add('refused', lane('x'))).toBeUndefined();
    expect(queue.hasRoom(lane('x'), owner)).toBe(false);
    const [b, c] = [finish('b'), finish('c')];
    await Promise.all([b, c]);
    expect(told).toBe(1);
    await finish('d');
    expect(told).toBe(1);
  });
});
