import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../protocols/common/v1/schema.ts';
import type { EngineInit } from '../../../src/engine/engine.ts';
import type { Standing, Ticket } from '../../../src/engine/types.ts';
import { errorOf, request, startedEngine, testModule } from '../../support/engine.ts';
import { alice, bob, mallory } from '../../support/keys.ts';
import { settle } from '../../support/virtual-clock.ts';

const standing = (identity: string): Standing =>
  identity === bob.identity ? 'own' : identity === alice.identity ? 'known' : 'stranger';

const by = (origin: string, capability = 'unit.run') => ({ ...request(capability), origin });

/** Bob's engine with code that ends when told to, or when aborted. */
async function gated(init: Partial<EngineInit> = {}, maxConcurrent = 8, idempotent = true) {
  const gates: (() => void)[] = [];
  const module = testModule(
    (_intent, { signal }) =>
      new Promise<JsonValue>((resolve, reject) => {
        gates.push(() => resolve({}));
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
    { capabilities: [{ maxConcurrent, idempotent }] },
  );
  const made = await startedEngine({ modules: [module], standing, ...init });
  const ticket = (origin: string): Ticket => {
    const admitted = made.engine.admit('unit.run', origin);
    if ('code' in admitted) throw new Error(admitted.code);
    return admitted;
  };
  return { ...made, gates, ticket };
}

describe('admission', () => {
  it('counts an order from the moment that it is taken, until it is released', async () => {
    const { engine, ticket } = await gated({ concurrency: 1, maxWaiting: 1, maxWaitingPerCapability: 0 }, 1);
    const held = ticket(bob.identity);
    expect(engine.hasRoom('unit.run')).toBe(false);
    expect(engine.admit('unit.run', bob.identity)).toMatchObject({ code: 'busy' });
    held.release();
    held.release();
    expect(engine.hasRoom('unit.run')).toBe(true);
    expect(engine.load()).toBe(0);
  });

  it('is refused for what is not on offer', async () => {
    const { engine } = await gated();
    for (const name of ['nobody.has', 'constructor', '__proto__']) {
      expect(engine.admit(name, bob.identity)).toMatchObject({ code: 'capability_unavailable' });
    }
    await engine.stop();
    expect(engine.admit('unit.run', bob.identity)).toMatchObject({ code: 'busy' });
    expect(engine.hasRoom('unit.run')).toBe(false);
  });

  it('hands its place to the intent, which gives it back whatever becomes of it', async () => {
    const { engine, gates, ticket } = await gated({ concurrency: 1, maxWaiting: 0 }, 1);
    const running = engine.handleIntent(by(bob.identity), { ticket: ticket(bob.identity) });
    await settle();
    expect(engine.hasRoom('unit.run')).toBe(false);
    gates[0]?.();
    expect((await running).status).toBe('completed');
    const refused = { ...by(bob.identity), action: '' };
    const outcome = await engine.handleIntent(refused, { ticket: ticket(bob.identity) });
    expect(errorOf(outcome).code).toBe('invalid_request');
    const aborted = { ticket: ticket(bob.identity), signal: AbortSignal.abort() };
    expect(errorOf(await engine.handleIntent(by(bob.identity), aborted)).code).toBe('cancelled');
    expect(engine.load()).toBe(0);
  });

  it('gives the place back where the engine never ran', async () => {
    const { engine, ticket } = await gated({ concurrency: 1, maxWaiting: 0 }, 1);
    const held = ticket(bob.identity);
    await engine.stop();
    expect(errorOf(await engine.handleIntent(by(bob.identity), { ticket: held })).code).toBe('interrupted');
    expect(engine.load()).toBe(0);
  });
});

describe("a stranger's orders", () => {
  it('never make the own ones fail or wait', async () => {
    const { engine, gates } = await gated({ concurrency: 8, maxWaiting: 64 });
    const theirs = Array.from({ length: 300 }, () => engine.handleIntent(by(mallory.identity)));
    await settle();
    const endless = gates.length;
    expect(endless).toBe(2);
    const mine = engine.handleIntent(by(bob.identity));
    await settle();
    expect(gates).toHaveLength(endless + 1);
    gates.at(-1)?.();
    expect((await mine).status).toBe('completed');
    const known = engine.handleIntent(by(alice.identity));
    await settle();
    gates.at(-1)?.();
    expect((await known).status).toBe('completed');
    const stopped = engine.stop();
    for (let ended = 0; ended < gates.length; ended++) {
      gates[ended]?.();
      await settle();
    }
    const outcomes = await Promise.all(theirs);
    await stopped;
    expect(outcomes.filter((each) => each.status === 'failed' && each.error.code === 'busy')).toHaveLength(
      294,
    );
  });

  it('end sooner', async () => {
    const { engine, clock } = await gated({ strangerTimeoutMs: 1_000 });
    const theirs = engine.handleIntent(by(mallory.identity), { timeoutMs: 60_000 });
    const friends = engine.handleIntent(by(alice.identity), { timeoutMs: 60_000 });
    await clock.advance(1_000);
    expect(errorOf(await theirs)).toMatchObject({
      code: 'timeout',
      message: expect.stringMatching(/1000 ms/),
    });
    await clock.advance(58_999);
    expect(engine.load()).toBeGreaterThan(0);
    await clock.advance(1);
    expect(errorOf(await friends).code).toBe('timeout');
  });

  it('give up the only slot to an own one', async () => {
    const { engine, gates } = await gated({}, 1);
    const theirs = engine.handleIntent(by(mallory.identity));
    await settle();
    const mine = engine.handleIntent(by(bob.identity));
    expect(errorOf(await theirs).code).toBe('busy');
    await settle();
    gates.at(-1)?.();
    expect((await mine).status).toBe('completed');
  });

  it('are not cut off where they may not run twice', async () => {
    const { engine, gates } = await gated({}, 1, false);
    const theirs = engine.handleIntent(by(mallory.identity));
    await settle();
    const mine = engine.handleIntent(by(bob.identity));
    await settle();
    expect(gates).toHaveLength(1);
    gates[0]?.();
    expect((await theirs).status).toBe('completed');
    await settle();
    gates[1]?.();
    expect((await mine).status).toBe('completed');
  });
});

describe('room', () => {
  it('is told of when somebody had found none', async () => {
    const { engine, ticket } = await gated({ concurrency: 1, maxWaiting: 0 }, 1);
    let told = 0;
    const remove = engine.onRoom(() => told++);
    ticket(bob.identity).release();
    await settle();
    expect(told).toBe(0);
    const held = ticket(bob.identity);
    expect(engine.admit('unit.run', alice.identity)).toMatchObject({ code: 'busy' });
    held.release();
    await settle();
    expect(told).toBe(1);
    remove();
    const again = ticket(bob.identity);
    expect(engine.hasRoom('unit.run')).toBe(false);
    again.release();
    await settle();
    expect(told).toBe(1);
  });
});

describe('the times of a receipt', () => {
  it.each([-3_600_000, 3_600_000])('count from admission, though the clock is set by %d ms', async (jump) => {
    const { engine, clock, gates, ticket } = await gated();
    const admittedAt = clock.now();
    const held = ticket(alice.identity);
    await clock.advance(10);
    clock.jump(jump);
    const pending = engine.handleIntent(by(alice.identity), { ticket: held });
    await clock.advance(20);
    clock.jump(jump);
    await clock.advance(30);
    gates[0]?.();
    const { startedAt, finishedAt } = (await pending).receipt;
    expect([startedAt - admittedAt, finishedAt - admittedAt]).toEqual([10, 60]);
  });
});

describe('whether an offer may run twice', () => {
  const modules = [
    testModule(async () => ({}), {
      capabilities: [
        { id: 'unit.read', intent: 'read', idempotent: true },
        { id: 'unit.write', intent: 'write', idempotent: false },
        { id: 'unit.dear', intent: 'dear', idempotent: true, price: 5 },
      ],
    }),
  ];

  it.each([
    ['unit.read', undefined, true],
    ['unit.read', 'read', true],
    ['unit.read', 'unit.write', false],
    ['unit.read', 'write', false],
    ['unit.write', undefined, false],
    ['unit.write', 'unit.read', false],
  ])('%s with the action %s: %s', async (capability, action, idempotent) => {
    const { engine } = await startedEngine({ modules });
    expect(engine.offer(capability, action)?.idempotent).toBe(idempotent);
  });

  it('is no question where the action is not included', async () => {
    const { engine } = await startedEngine({ modules });
    expect(engine.offer('unit.read', 'unit.dear')).toBeUndefined();
    expect(engine.offer('unit.read', 'toString')).toBeUndefined();
  });
});
