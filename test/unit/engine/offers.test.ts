import { describe, expect, it } from 'vitest';
import type { Availability } from '../../../src/engine/capability.ts';
import { openTestDatabase } from '../../support/database.ts';
import { errorOf, request, startedEngine, testModule } from '../../support/engine.ts';
import { bob } from '../../support/keys.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

/** Code that takes as long as its payload says, on the virtual clock. */
function timed(clock: VirtualClock, maxConcurrent = 2) {
  return testModule(
    ({ payload }) => new Promise((resolve) => clock.after(Number(payload.ms), () => resolve({}))),
    { capabilities: [{ estimatedLatency: 8, price: 2, maxConcurrent }] },
  );
}

describe('an offer', () => {
  it("asks for the operator's price, else the manifest's", async () => {
    const clock = new VirtualClock();
    const prices = new Map([['unit.run', 0.25]]);
    const { engine } = await startedEngine({ modules: [timed(clock)], prices }, { clock });
    expect(engine.offer('unit.run')?.price).toBe(0.25);
    expect(engine.offers()[0]?.price).toBe(0.25);
  });

  it('runs as many at once as its probe says, while they run too', async () => {
    const clock = new VirtualClock();
    let maxConcurrent = 3;
    let running = 0;
    const module = testModule(
      async ({ payload }) => {
        running++;
        await new Promise<void>((resolve) => clock.after(Number(payload.ms), resolve));
        running--;
        return {};
      },
      {
        capabilities: [{ estimatedLatency: 6, maxConcurrent: 1 }],
        probe: async () => ({ capabilities: [{ id: 'unit.run', maxConcurrent }] }),
      },
    );
    const { engine } = await startedEngine({ modules: [module], probeIntervalMs: 100 }, { clock });
    const own = { ...request('unit.run', { ms: 1_000 }), origin: bob.identity };
    const pending = Array.from({ length: 6 }, () => engine.handleIntent(own));
    await settle();
    expect(running).toBe(3);
    expect(engine.offer('unit.run')?.estimatedLatency).toBe(6 + (6 / 3) * 6);
    maxConcurrent = 2;
    await clock.advance(500);
    // It is known from the next request on.
    expect(engine.hasRoom('unit.run')).toBe(true);
    await clock.advance(500);
    await Promise.all(pending.slice(0, 3));
    expect(running).toBe(2);
    await clock.advance(1_000);
    await clock.advance(1_000);
    await Promise.all(pending);
  });

  it('begins with the guess of the manifest and follows what it really takes', async () => {
    const clock = new VirtualClock();
    const { engine } = await startedEngine({ modules: [timed(clock)] }, { clock });
    expect(engine.offer('unit.run')).toMatchObject({ module: 'unit', price: 2, estimatedLatency: 8 });
    const take = async (ms: number) => {
      const pending = engine.handleIntent(request('unit.run', { ms }));
      await clock.advance(ms);
      await pending;
      return engine.offer('unit.run')?.estimatedLatency;
    };
    expect(await take(1_000)).toBe(1);
    expect(await take(2_000)).toBeCloseTo(1.2);
    expect(await take(2_000)).toBeCloseTo(1.36);
  });

  it('counts the work ahead, and an execution that ran out of time', async () => {
    const clock = new VirtualClock();
    const { engine } = await startedEngine({ modules: [timed(clock)] }, { clock });
    const pending = [1, 2, 3].map(() =>
      engine.handleIntent(
        { ...request('unit.run', { ms: 5_000 }), origin: bob.identity },
        { timeoutMs: 4_000 },
      ),
    );
    await settle();
    expect(engine.offer('unit.run')?.estimatedLatency).toBe(8 + (3 / 2) * 8);
    await clock.advance(10_000);
    await Promise.all(pending);
    expect(engine.offer('unit.run')?.estimatedLatency).toBe(4);
  });

  it('does not count refusals', async () => {
    const clock = new VirtualClock();
    const module = testModule(() => Promise.reject(new Error('no')));
    const { engine } = await startedEngine({ modules: [module] }, { clock });
    await engine.handleIntent(request('unit.run'));
    expect(engine.offer('unit.run')?.estimatedLatency).toBe(1);
  });

  it('keeps the average over a restart', async () => {
    const store = await openTestDatabase();
    try {
      const clock = new VirtualClock();
      const first = await startedEngine({ modules: [timed(clock)] }, { clock, db: store.db });
      const pending = first.engine.handleIntent(request('unit.run', { ms: 3_000 }));
      await clock.advance(3_000);
      await pending;
      await first.engine.stop();
      const second = await startedEngine({ modules: [timed(clock)] }, { clock, db: store.db });
      expect(second.engine.offer('unit.run')?.estimatedLatency).toBe(3);
    } finally {
      await store.close();
    }
  });

  it('is not there for what nobody has', async () => {
    const { engine } = await startedEngine();
    expect(engine.offer('constructor')).toBeUndefined();
    expect(engine.offers().map(({ capability }) => capability.id)).toEqual([
      'test.echo',
      'test.fail',
      'test.hang',
      'test.count',
      'test.slow',
    ]);
  });
});

describe('probing', () => {
  const all = (detail?: string): Availability => ({
    capabilities: [
      { id: 'unit.a', estimatedLatency: 3, ...(detail && { detail: { model: detail } }) },
      { id: 'unit.b' },
      { id: 'nobody.has' },
    ],
  });

  async function probing(first: () => Promise<Availability>) {
    const state = { probe: first };
    const module = testModule(async () => ({}), {
      permissions: ['models'],
      capabilities: [
        { id: 'unit.a', intent: 'a' },
        { id: 'unit.b', intent: 'b' },
      ],
      probe: () => state.probe(),
    });
    const made = await startedEngine({ modules: [module], probeIntervalMs: 10_000, probeTimeoutMs: 5_000 });
    let changes = 0;
    made.engine.onOffersChanged(() => changes++);
    const ids = () => made.engine.offers().map(({ capability }) => capability.id);
    return { ...made, state, ids, changes: () => changes };
  }

  it('is over before the engine has started, and offers what it found', async () => {
    const { engine, ids } = await probing(async () => all('gemma'));
    expect(ids()).toEqual(['unit.a', 'unit.b']);
    expect(engine.offer('unit.a')).toMatchObject({ estimatedLatency: 3, detail: { model: 'gemma' } });
    expect(engine.offer('unit.b')?.estimatedLatency).toBe(1);
  });

  it('tells of a change in what is offered or in its details, and not of latency', async () => {
    const { state, clock, changes, ids } = await probing(async () => all('gemma'));
    await clock.advance(10_000);
    expect(changes()).toBe(0);
    state.probe = async () => ({
      capabilities: all('gemma').capabilities.map((offer) => ({ ...offer, estimatedLatency: 99 })),
    });
    await clock.advance(10_000);
    expect(changes()).toBe(0);
    state.probe = async () => all('other');
    await clock.advance(10_000);
    expect(changes()).toBe(1);
    state.probe = async () => ({ capabilities: [{ id: 'unit.b' }] });
    await clock.advance(10_000);
    expect(changes()).toBe(2);
    expect(ids()).toEqual(['unit.b']);
  });

  it.each([
    [
      'fails',
      () => Promise.reject(Object.assign(new Error('No server.'), { code: 'model_unavailable' })),
      /No server/,
    ],
    ['fails without a word', () => Promise.reject(new Error('secret')), /internal error/],
    ['offers nothing', async () => ({ capabilities: [] }), /not there/],
    ['offers too much', async () => all('x'.repeat(5_000)), /more than 4096 bytes/],
  ])('withdraws everything when it %s, and comes back', async (_name, probe, reason) => {
    const { engine, state, clock, changes, ids } = await probing(async () => all());
    state.probe = probe;
    await clock.advance(10_000);
    expect([changes(), ids()]).toEqual([1, []]);
    expect(engine.modules()[0]).toMatchObject({
      state: 'unavailable',
      reason: expect.stringMatching(reason),
    });
    const refused = await engine.handleIntent(request('unit.a'));
    expect(errorOf(refused)).toMatchObject({
      code: 'capability_unavailable',
      message: expect.stringMatching(reason),
    });
    state.probe = async () => all();
    await clock.advance(10_000);
    expect([changes(), ids()]).toEqual([2, ['unit.a', 'unit.b']]);
    expect(engine.modules()[0]).toMatchObject({ state: 'ready', reason: null });
  });

  it('takes no answer for a no', async () => {
    const { state, clock, ids, engine } = await probing(async () => all());
    state.probe = () => new Promise(() => {});
    await clock.advance(14_999);
    expect(ids()).toHaveLength(2);
    await clock.advance(1);
    expect(ids()).toEqual([]);
    expect(engine.modules()[0]?.reason).toMatch(/did not say in time/);
  });

  it('does not begin again beside one that has not ended', async () => {
    const { state, clock, ids } = await probing(async () => all());
    const gate = Promise.withResolvers<Availability>();
    let begun = 0;
    state.probe = () => {
      begun++;
      return gate.promise;
    };
    await clock.advance(60_000);
    expect([begun, ids()]).toEqual([1, []]);
    gate.resolve(all());
    await clock.advance(10_000);
    expect([begun, ids()]).toEqual([2, ['unit.a', 'unit.b']]);
  });

  it('ends with the engine, also in the middle of a question', async () => {
    const { engine, state, clock } = await probing(async () => all());
    state.probe = () => new Promise(() => {});
    await clock.advance(10_000);
    await engine.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('asks with the permissions of the module', async () => {
    const asking = (permissions: string[]) =>
      testModule(async () => ({}), {
        permissions,
        probe: async ({ models }) => {
          await models.list();
          return { capabilities: [{ id: 'unit.run' }] };
        },
      });
    const models = () => ({
      list: async () => [],
      chat: () => Promise.reject(new Error('not asked')),
      embed: () => Promise.reject(new Error('not asked')),
    });
    const granted = await startedEngine({ modules: [asking(['models'])] }, { models });
    expect(granted.engine.offer('unit.run')).toBeDefined();
    const refused = await startedEngine({ modules: [asking([])] }, { models });
    expect(refused.engine.offer('unit.run')).toBeUndefined();
  });
});
