import { describe, expect, it } from 'vitest';
import type { CapabilityApi, Intent } from '../../../src/engine/capability.ts';
import type { MeshEvent } from '../../../src/exchange/types.ts';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh, type NodeOptions, type TestNode } from '../../support/mesh.ts';

const wait = { requestedCapability: 'work.wait', payload: {} };

/** Says `count` words, one every 10 ms, and fails after `fails` of them where that is told. */
function talker(
  mesh: Mesh,
  count: number,
  { fails = count + 1, word = 'w' } = {},
): NonNullable<NodeOptions['work']> {
  return async (_intent: Intent, { progress }: CapabilityApi) => {
    for (let n = 0; n < count; n++) {
      if (n === fails) throw Object.assign(new Error('It lost its voice.'), { code: 'internal' });
      progress({ delta: `${word}${n} ` });
      await new Promise<void>((resolve) => void mesh.clock.after(10, resolve));
    }
    return { said: count };
  };
}

const words = (from: number, to: number, word = 'w'): string =>
  Array.from({ length: to - from }, (_, n) => `${word}${from + n} `).join('');

type Told = Extract<MeshEvent, { type: 'progress' }>;

function told(node: TestNode, id: string): Told[] {
  return node.eventsOf(id).filter((event): event is Told => event.type === 'progress');
}

/** Each delta's place in the text. */
const numbersOf = (events: Told[]): (number | undefined)[] =>
  events.filter(({ delta }) => delta !== undefined).map(({ number }) => number);

const textOf = (events: Told[]): string => events.map(({ delta = '' }) => delta).join('');

/** Loses the deltas of these numbers on their way to `to`, the first time. */
function loseDeltas(mesh: Mesh, lost: readonly number[]): void {
  const left = new Set(lost);
  mesh.filter((message) => {
    if (message.type !== 'capsule_progress' || message.delta === undefined) return undefined;
    return left.delete(message.seq) ? 'drop' : undefined;
  });
}

async function pair(count: number, options: Parameters<typeof talker>[2] = {}) {
  const mesh = new Mesh();
  const a = await mesh.add(alice);
  const b = await mesh.add(bob, { offers: { 'work.wait': 1 }, work: talker(mesh, count, options) });
  return { mesh, a, b };
}

const paymentRule = { type: 'credit', amount: 5 } as const;

describe('streamed text', () => {
  it('comes whole and in order', async () => {
    const { a, b } = await pair(20);
    const { id } = await a.run({ ...wait, paymentRule });
    expect(textOf(told(a, id))).toBe(words(0, 20));
    for (const node of [a, b]) expect(numbersOf(told(node, id))).toEqual([...Array(20).keys()]);
    expect(told(a, id).every(({ missing, epoch }) => missing === undefined && epoch === 1)).toBe(true);
  });

  it('lacks nothing and repeats nothing where parts of it were lost', async () => {
    const { mesh, a } = await pair(20);
    loseDeltas(mesh, [0, 4, 5, 6, 12]);
    const { id } = await a.run({ ...wait, paymentRule });
    expect(textOf(told(a, id))).toBe(words(0, 20));
    expect(told(a, id).every(({ missing }) => missing === undefined)).toBe(true);
  });

  it('lacks nothing where it goes on while what was lost is asked for again', async () => {
    const { mesh, a } = await pair(40);
    loseDeltas(mesh, [3]);
    mesh.filter(({ type }) => (type === 'capsule_progress_request' ? 55 : undefined));
    const { id } = await a.run({ ...wait, paymentRule });
    expect(textOf(told(a, id))).toBe(words(0, 40));
    expect(told(a, id).every(({ missing }) => missing === undefined)).toBe(true);
  });

  it('lacks nothing where the question for it was lost too', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const exchange = { heartbeatMs: 100 };
    await mesh.add(bob, { offers: { 'work.wait': 1 }, exchange, work: talker(mesh, 60) });
    loseDeltas(mesh, [3]);
    mesh.drop('capsule_progress_request', { count: 1 });
    const { id } = await a.run({ ...wait, paymentRule });
    expect(textOf(told(a, id))).toBe(words(0, 60));
    expect(told(a, id).every(({ missing }) => missing === undefined)).toBe(true);
  });

  it('says how much is missing where nobody has it any more', async () => {
    const long = 'x'.repeat(2_000);
    const { mesh, a } = await pair(400, { word: long });
    // Less is kept than was said before the executor can be asked for it.
    let cut = true;
    mesh.filter((message) => {
      if (message.type !== 'capsule_progress' || message.seq < 10) return undefined;
      if (message.seq >= 300) cut = false;
      return cut ? 'drop' : undefined;
    });
    const { id } = await a.run({ ...wait, paymentRule });
    const events = told(a, id);
    const gaps = events.filter(({ missing }) => missing !== undefined);
    expect(gaps).toHaveLength(1);
    const missing = gaps[0]?.missing ?? 0;
    expect(numbersOf(events)).toEqual([...Array(400).keys()].filter((n) => n < 10 || n >= 10 + missing));
    expect(missing).toBeGreaterThan(100);
    // What was told and what is said to be missing is all of it.
    expect(events.filter(({ delta }) => delta !== undefined).length + missing).toBe(400);
    const said = textOf(events);
    expect(said.startsWith(words(0, 10, long))).toBe(true);
    expect(said.endsWith(words(10 + missing, 400, long))).toBe(true);
  });

  it.each([
    { of: 'deltas', count: 4_200, word: 'w' },
    { of: 'characters', count: 200, word: 'x'.repeat(50_000) },
  ])(
    'is not held back for ever for what was lost: so many $of wait, and then it goes on',
    async ({ count, word }) => {
      const mesh = new Mesh();
      const a = await mesh.add(alice);
      const work: NodeOptions['work'] = async (_intent, { progress }) => {
        for (let n = 0; n < count; n++) {
          progress({ delta: `${word}${n} ` });
          await new Promise<void>((resolve) => void mesh.clock.after(1, resolve));
        }
        await new Promise<void>((resolve) => void mesh.clock.after(60_000, resolve));
        return {};
      };
      await mesh.add(bob, { offers: { 'work.wait': 1 }, work });
      loseDeltas(mesh, [0]);
      mesh.drop('capsule_progress_request');
      const { id } = await a.submit(a.capsule({ ...wait, paymentRule }));
      await mesh.advance(count + 1_000);
      expect(a.status(id)).toBe('executing');
      expect(told(a, id).flatMap(({ missing }) => missing ?? [])).toEqual([1]);
      expect(textOf(told(a, id))).toBe(words(1, count, word));
    },
  );

  it('says how much is missing at its end', async () => {
    const { mesh, a } = await pair(20);
    loseDeltas(mesh, [10, 18, 19]);
    mesh.drop('capsule_progress_request');
    const { id } = await a.run({ ...wait, paymentRule });
    const events = told(a, id);
    expect(textOf(events)).toBe(words(0, 10) + words(11, 18));
    expect(events.flatMap(({ missing }) => missing ?? [])).toEqual([1, 2]);
    expect(a.eventsOf(id).at(-1)?.type).toBe('done');
  });

  it('begins anew where another executor begins, which is said by its epoch', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    await mesh.add(bob, { offers: { 'work.wait': 1 }, work: talker(mesh, 10, { fails: 4, word: 'b' }) });
    await mesh.add(carol, { offers: { 'work.wait': 2 }, work: talker(mesh, 10, { word: 'c' }) });
    const { id } = await a.run({ ...wait, paymentRule });
    const [first, second] = [1, 2].map((of) => told(a, id).filter(({ epoch }) => epoch === of));
    expect(textOf(first ?? [])).toBe(words(0, 4, 'b'));
    expect(textOf(second ?? [])).toBe(words(0, 10, 'c'));
    const epochs = told(a, id).map(({ epoch }) => epoch);
    expect(epochs).toEqual([...epochs].sort());
  });

  it('of an epoch that is over is not told any more', async () => {
    const { mesh, a, b } = await pair(1_000);
    const c = await mesh.add(carol, { offers: { 'work.wait': 2 }, work: talker(mesh, 1_000, { word: 'c' }) });
    const { id } = await a.submit(a.capsule({ ...wait, paymentRule }));
    await mesh.advance(1_000);
    mesh.hub.partition([b.nodeId], [a.nodeId, c.nodeId]);
    await mesh.advance(3_000);
    expect(a.record(id)?.executor).toBe(c.nodeId);
    await mesh.heal();
    await mesh.advance(1_000);
    const since = told(a, id).findIndex(({ epoch }) => epoch === 2);
    expect(
      told(a, id)
        .slice(since)
        .every(({ epoch }) => epoch === 2),
    ).toBe(true);
  });

  it('that the executor says of its own work for itself has its epoch too', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0 }, work: talker(mesh, 5) });
    const { id } = await a.run(wait);
    expect(textOf(told(a, id))).toBe(words(0, 5));
  });

  it('is not told to a node that neither submitted nor coordinates the work', async () => {
    const { mesh, a } = await pair(20);
    const c = await mesh.add(carol);
    const { id } = await a.submit(a.capsule({ ...wait, paymentRule }));
    await mesh.advance(50);
    const request = { type: 'capsule_progress_request', capsuleId: id, epoch: 1, from: 0 } as const;
    const seen: string[] = [];
    mesh.filter(({ type }, { to }) => {
      if (to === c.nodeId) seen.push(type);
      return undefined;
    });
    await c.life.network.send(bob.nodeId, request);
    await mesh.advance(50);
    expect(seen).not.toContain('capsule_progress');
  });
});
