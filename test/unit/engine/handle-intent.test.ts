import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { verifyReceipt } from '../../../src/capsule/receipt.ts';
import type { ReceiptEntry } from '../../../src/engine/receipt-chain.ts';
import type { Outcome } from '../../../src/engine/types.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { MeshError } from '../../../src/lib/errors.ts';
import { canonicalJson } from '../../../src/lib/json.ts';
import { BufferedDatabase } from '../../../src/store/buffered-database.ts';
import type { Write } from '../../../src/store/disk.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';
import { MemoryDisk } from '../../../src/store/memory-disk.ts';
import { createLogger } from '../../../src/telemetry/log.ts';
import { silentLog } from '../../support/database.ts';
import { errorOf, request, resultOf, startedEngine, testEngine, testModule } from '../../support/engine.ts';
import { alice, bob } from '../../support/keys.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const CAPSULE_ID = 'ab'.repeat(32);
const hashOf = (value: unknown): string => nodeCrypto.sha256Hex(canonicalJson(value));

/** Every outcome carries a receipt that stands on its own and is in the chain. */
function expectSound(engine: ReturnType<typeof testEngine>['engine'], outcome: Outcome): void {
  expect(verifyReceipt(nodeCrypto, outcome.receipt)).toMatchObject({ ok: true });
  expect(outcome.receipt.status).toBe(outcome.status);
  expect(engine.receipts.at(outcome.sequence)).toEqual(outcome.receipt);
}

/** A disk that writes nothing until its gate opens. */
class SlowDisk extends MemoryDisk {
  gate: Promise<void> = Promise.resolve();

  override async write(writes: Write[]): Promise<void> {
    await this.gate;
    await super.write(writes);
  }
}

describe('handleIntent', () => {
  it.each([
    [true, 'busy'],
    [false, 'internal'],
  ])('lets code that ran deny it only where it may run twice (%s)', async (idempotent, code) => {
    const run = () => Promise.reject(Object.assign(new Error('Done, and denied.'), { code: 'busy' }));
    const { engine } = await startedEngine({
      modules: [testModule(run, { capabilities: [{ idempotent }] })],
    });
    expect(errorOf(await engine.handleIntent(request('unit.run'))).code).toBe(code);
  });

  it('logs where a capability failed, and what it said at trace only', async () => {
    const lines: string[] = [];
    const stream = { write: (line: string) => void lines.push(line) };
    const run = () => Promise.reject(new Error('Ada Roe is ill'));
    for (const level of ['debug', 'trace'] as const) {
      const log = createLogger({ level, pretty: false, stream });
      const { engine } = await startedEngine({ modules: [testModule(run)] }, { log });
      await engine.handleIntent(request('unit.run'));
      expect(lines.join('')).toContain('handle-intent.test.ts');
      expect(lines.join('').includes('Ada')).toBe(level === 'trace');
    }
  });

  it('completes with the result and a receipt of it', async () => {
    const { engine, clock } = await startedEngine();
    const payload = { text: 'hello', nested: { b: 1, a: [1, 2] } };
    const outcome = await engine.handleIntent(request('test.echo', payload), {
      capsuleId: CAPSULE_ID,
      epoch: 3,
    });
    expect(resultOf(outcome)).toEqual(payload);
    expectSound(engine, outcome);
    expect(outcome.receipt).toMatchObject({
      capsuleId: CAPSULE_ID,
      epoch: 3,
      identity: bob.identity,
      capabilityId: 'test.echo',
      action: 'test.echo',
      codeHash: engine.modules()[0]?.codeHash,
      inputHash: hashOf(payload),
      resultHash: hashOf(payload),
      error: null,
      execution: null,
      permissionsDeclared: ['storage', 'progress', 'log', 'identity'],
      permissionsUsed: [],
      startedAt: clock.now(),
      finishedAt: clock.now(),
    });
  });

  it('names the lease, and charges the price of what was completed', async () => {
    const { engine } = await startedEngine();
    const lease = 'cd'.repeat(32);
    const receiptOf = async (capability: string, price: number | null) => {
      const options = { capsuleId: CAPSULE_ID, epoch: 1, lease, price };
      const outcome = await engine.handleIntent(request(capability), options);
      expectSound(engine, outcome);
      return outcome.receipt;
    };
    expect(await receiptOf('test.echo', 1.5)).toMatchObject({ lease, charge: 1.5 });
    expect(await receiptOf('test.echo', 0)).toMatchObject({ lease, charge: null });
    expect(await receiptOf('test.echo', null)).toMatchObject({ charge: null });
    expect(await receiptOf('test.fail', 1.5)).toMatchObject({ lease, charge: null, status: 'failed' });
    await expect(receiptOf('test.echo', 1e-7)).rejects.toMatchObject({ code: 'invalid_request' });
    expect(engine.load()).toBe(0);
    const direct = await engine.handleIntent(request('test.echo'));
    expect(direct.receipt).toMatchObject({ lease: null, charge: null });
  });

  it('gives the code a frozen intent', async () => {
    const attempts: unknown[] = [];
    const module = testModule(async (intent) => {
      for (const change of [
        () => Object.assign(intent, { action: 'other' }),
        () => Object.assign(intent.payload, { added: 1 }),
        () => Object.assign(Object(intent.payload.deep), { added: 1 }),
      ]) {
        try {
          change();
          attempts.push('changed');
        } catch (error) {
          attempts.push(error instanceof TypeError);
        }
      }
      return { untrusted: [...intent.untrusted], raw: intent.raw };
    });
    const { engine } = await startedEngine({ modules: [module] });
    const outcome = await engine.handleIntent({ ...request('unit.run', { deep: {} }), untrusted: ['deep'] });
    expect(resultOf(outcome)).toEqual({ untrusted: ['deep'], raw: 'direct:test' });
    expect(attempts).toEqual([true, true, true]);
  });

  const refused: [name: string, change: Partial<Parameters<typeof request>[1]> & object, code: string][] = [
    ['an unknown capability', { capability: 'nobody.has' }, 'capability_unavailable'],
    [
      'a name of Object.prototype as the capability',
      { capability: 'constructor.assign' },
      'capability_unavailable',
    ],
    ['a capability that is no name', { capability: '__proto__' }, 'invalid_request'],
    ['an unknown action', { action: 'toString' }, 'capability_unavailable'],
    ['an empty action', { action: '' }, 'invalid_request'],
    ['an action with a lone surrogate', { action: '\ud800' }, 'invalid_request'],
    ['an origin that is no identity', { origin: 'me' }, 'invalid_request'],
    ['a payload with a lone surrogate', { payload: { text: '\udc00' } }, 'invalid_payload'],
    ['a payload that is no JSON', { payload: { number: Number.NaN } }, 'invalid_payload'],
    ['a payload that is too large', { payload: { text: 'x'.repeat(1_048_577) } }, 'too_large'],
    [
      'a payload that the input schema refuses',
      { capability: 'test.count', action: 'count', payload: { name: '' } },
      'invalid_payload',
    ],
  ];
  it.each(refused)('ends %s in a signed failed receipt', async (_name, change, code) => {
    const { engine } = await startedEngine();
    const outcome = await engine.handleIntent({ ...request('test.echo'), ...change });
    expect(errorOf(outcome).code).toBe(code);
    expect(outcome.receipt.error?.code).toBe(code);
    expect(outcome.receipt.resultHash).toBeNull();
    expectSound(engine, outcome);
    expect(await engine.receipts.verify()).toMatchObject({ ok: true, receipts: 1 });
  });

  it('says where a payload does not fit', async () => {
    const { engine } = await startedEngine();
    const outcome = await engine.handleIntent(request('test.count', { name: 7 }));
    expect(errorOf(outcome).message).toMatch(/\/name must be string/);
  });

  describe('what the code throws', () => {
    const failing = async (thrown: () => unknown) => {
      const module = testModule(async () => {
        throw thrown();
      });
      const { engine } = await startedEngine({ modules: [module] });
      const outcome = await engine.handleIntent(request('unit.run'));
      expectSound(engine, outcome);
      return errorOf(outcome);
    };

    it('keeps a known code and its sentence', async () => {
      const thrown = () => Object.assign(new Error('The model is not there.'), { code: 'model_unavailable' });
      expect(await failing(thrown)).toEqual({
        code: 'model_unavailable',
        message: 'The model is not there.',
      });
    });

    it('cuts the sentence, at a whole character and at the end of the line', async () => {
      const long = () => Object.assign(new Error('🙂'.repeat(400)), { code: 'conflict' });
      const { message } = await failing(long);
      expect(message.length).toBe(512);
      expect(message.isWellFormed()).toBe(true);
      const stacked = () =>
        Object.assign(new Error('Broken.\n    at secret (/home/me/x.ts:1)'), { code: 'conflict' });
      expect((await failing(stacked)).message).toBe('Broken.');
    });

    it.each([
      ['an unknown code', () => Object.assign(new Error('secret'), { code: 'ENOENT' })],
      [
        'a name of Object.prototype as the code',
        () => Object.assign(new Error('secret'), { code: 'constructor' }),
      ],
      ['a plain error', () => new Error('secret path /home/me')],
      ['text', () => 'secret'],
      ['nothing', () => undefined],
    ])('tells nothing of %s', async (_name, thrown) => {
      expect(await failing(thrown)).toEqual({ code: 'internal', message: 'An internal error occurred.' });
    });
  });

  it.each([
    ['undefined', () => undefined],
    ['a date', () => new Date(0)],
    ['an infinite number', () => ({ number: Number.POSITIVE_INFINITY })],
    ['a lone surrogate', () => '\ud800'],
    ['what the output schema refuses', () => ({ count: 'many' })],
  ])('refuses %s as a result', async (_name, value) => {
    const output = { type: 'object', properties: { count: { type: 'integer' } } };
    const give = JSON.parse.bind(null, '{}');
    const module = testModule(async () => Object.assign(give(), { result: value() }).result, {
      capabilities: [{ output }],
    });
    const { engine } = await startedEngine({ modules: [module] });
    const outcome = await engine.handleIntent(request('unit.run'));
    expect(errorOf(outcome).code).toBe('internal');
    expectSound(engine, outcome);
  });

  it('refuses a result over 1 MiB', async () => {
    const module = testModule(async () => ({ text: 'ü'.repeat(524_288) }));
    const { engine } = await startedEngine({ modules: [module] });
    expect(errorOf(await engine.handleIntent(request('unit.run'))).code).toBe('too_large');
  });

  describe('time and cancellation', () => {
    it('aborts the code when its time is over', async () => {
      const { engine, clock } = await startedEngine();
      const pending = engine.handleIntent(request('test.hang'), { timeoutMs: 500 });
      await clock.advance(499);
      expect(engine.load()).toBeGreaterThan(0);
      await clock.advance(1);
      const outcome = await pending;
      expect(errorOf(outcome)).toEqual({ code: 'timeout', message: 'The work was not done within 500 ms.' });
      expect(outcome.receipt.finishedAt - outcome.receipt.startedAt).toBe(500);
      expect(clock.pendingTimers).toBe(1); // the next probe
    });

    it('delivers the outcome though the code does not heed the signal, and keeps its place until it ends', async () => {
      const gate = Promise.withResolvers<JsonObject>();
      const { engine, clock } = await startedEngine({ modules: [testModule(() => gate.promise)] });
      const pending = engine.handleIntent(request('unit.run'), { timeoutMs: 500 });
      await clock.advance(500);
      expect(errorOf(await pending).code).toBe('timeout');
      expect(engine.load()).toBeGreaterThan(0);
      gate.resolve({});
      await settle();
      expect(engine.load()).toBe(0);
    });

    it('runs nothing in the place of code that does not heed the signal', async () => {
      const gates = [Promise.withResolvers<JsonObject>(), Promise.withResolvers<JsonObject>()];
      let begun = 0;
      const module = testModule(() => gates[begun++]?.promise ?? Promise.resolve({}), {
        capabilities: [{ maxConcurrent: 2 }],
      });
      const { engine, clock } = await startedEngine({ modules: [module] });
      const deaf = [1, 2].map(() =>
        engine.handleIntent({ ...request('unit.run'), origin: bob.identity }, { timeoutMs: 500 }),
      );
      await clock.advance(500);
      for (const outcome of await Promise.all(deaf)) expect(errorOf(outcome).code).toBe('timeout');
      const next = engine.handleIntent({ ...request('unit.run'), origin: bob.identity });
      await settle();
      expect(begun).toBe(2);
      gates[0]?.resolve({});
      expect(resultOf(await next)).toEqual({});
      expect(begun).toBe(3);
    });

    it.each([
      ['the default', {}, 2_000],
      ['the maximum', { timeoutMs: 60_000 }, 5_000],
    ])('applies %s of the node', async (_name, options, expected) => {
      const { engine, clock } = await startedEngine({ defaultTimeoutMs: 2_000, maxTimeoutMs: 5_000 });
      const began = clock.now();
      const pending = engine.handleIntent(request('test.hang'), options);
      await clock.advance(60_000);
      expect((await pending).receipt.finishedAt - began).toBe(expected);
    });

    it('aborts the code when its caller cancels, with the reason of the caller', async () => {
      const { engine } = await startedEngine();
      for (const [reason, code] of [
        [undefined, 'cancelled'],
        [new MeshError('interrupted', 'Stopping.'), 'interrupted'],
      ] as const) {
        const controller = new AbortController();
        const stages: unknown[] = [];
        const pending = engine.handleIntent(request('test.hang'), {
          signal: controller.signal,
          onProgress: (update) => stages.push(update),
        });
        await settle();
        expect(stages).toEqual([{ stage: 'hanging' }]);
        controller.abort(reason);
        const outcome = await pending;
        expect(errorOf(outcome).code).toBe(code);
        expectSound(engine, outcome);
      }
    });

    it('does not run what was cancelled before', async () => {
      let ran = false;
      const module = testModule(async () => {
        ran = true;
        return {};
      });
      const { engine } = await startedEngine({ modules: [module] });
      const signal = AbortSignal.abort(new MeshError('interrupted', 'It was running when the node died.'));
      expect(errorOf(await engine.handleIntent(request('unit.run'), { signal })).code).toBe('interrupted');
      expect(ran).toBe(false);
    });
  });

  describe('the queue', () => {
    it('holds a capability to its limit, and ends what does not fit with busy', async () => {
      const gates: (() => void)[] = [];
      const module = testModule(() => new Promise((resolve) => gates.push(() => resolve({}))), {
        capabilities: [{ maxConcurrent: 1 }],
      });
      const { engine } = await startedEngine({
        modules: [module],
        concurrency: 4,
        maxWaiting: 1,
        maxWaitingPerCapability: 1,
      });
      const first = engine.handleIntent(request('unit.run'));
      expect(engine.hasRoom('unit.run', alice.identity)).toBe(true);
      const second = engine.handleIntent(request('unit.run'));
      expect(engine.hasRoom('unit.run', alice.identity)).toBe(false);
      expect(engine.hasRoom('unit.run')).toBe(true);
      expect(engine.hasRoom('nobody.has')).toBe(false);
      const third = await engine.handleIntent(request('unit.run'));
      expect(errorOf(third).code).toBe('busy');
      expectSound(engine, third);
      expect(gates).toHaveLength(1);
      gates[0]?.();
      expect((await first).status).toBe('completed');
      await settle();
      gates[1]?.();
      expect((await second).status).toBe('completed');
    });

    it('cancels what waits', async () => {
      const module = testModule(() => new Promise(() => {}), { capabilities: [{ maxConcurrent: 1 }] });
      const { engine } = await startedEngine({ modules: [module] });
      void engine.handleIntent(request('unit.run'));
      const controller = new AbortController();
      const waiting = engine.handleIntent(request('unit.run'), { signal: controller.signal });
      controller.abort();
      expect(errorOf(await waiting).code).toBe('cancelled');
    });
  });

  describe('commit', () => {
    const notes = keyspace<string>('meta');
    const entries = keyspace<ReceiptEntry>('receipts');

    it('adds to the batch of the receipt, and sees what is in it', async () => {
      const { engine, db } = await startedEngine();
      let seen: unknown;
      const outcome = await engine.handleIntent(request('test.echo'), {
        capsuleId: CAPSULE_ID,
        commit: (result, tx) => {
          seen = tx.get(entries, String(result.sequence).padStart(16, '0'))?.receipt.receiptHash;
          expect(engine.receipts.at(result.sequence)).toBeUndefined();
          tx.put(notes, 'note', result.status);
        },
      });
      expect(seen).toBe(outcome.receipt.receiptHash);
      expect(db.get(notes, 'note')).toBe('completed');
    });

    it('leaves nothing written when it throws, and the chain goes on', async () => {
      const { engine, db } = await startedEngine();
      const options = {
        commit: () => {
          throw new MeshError('conflict', 'No.');
        },
      };
      await expect(engine.handleIntent(request('test.count'), options)).rejects.toMatchObject({
        code: 'conflict',
      });
      expect(await engine.receipts.list({})).toEqual({ items: [], cursor: null });
      expect(resultOf(await engine.handleIntent(request('test.count')))).toEqual({ count: 1 });
      expect(await engine.receipts.verify()).toEqual({ ok: true, receipts: 1, problems: [] });
      expect(db.get(notes, 'note')).toBeUndefined();
    });

    it('rejects when the store fails', async () => {
      const { engine, db } = await startedEngine();
      await db.close();
      await expect(engine.handleIntent(request('test.echo'))).rejects.toMatchObject({
        code: 'storage_failed',
      });
    });
  });

  it('keeps what a run did though the disk does not keep up: it may not run a second time', async () => {
    const disk = new SlowDisk();
    const db = new BufferedDatabase({ disk, log: silentLog, clock: new VirtualClock() });
    const commitLarge = () => {
      const tx = db.transaction();
      tx.put(keyspace<string>('meta'), 'large', 'x'.repeat(65 * 1_048_576));
      return tx.commit();
    };
    const { engine } = await startedEngine({}, { db });
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    disk.gate = gate;
    const first = commitLarge();
    await settle();
    const waiting = [first, commitLarge(), commitLarge()];
    const handled = engine.handleIntent(request('test.echo', { text: 'hello' }));
    await settle();
    await expect(commitLarge()).rejects.toMatchObject({ code: 'busy' });
    open();
    const outcome = await handled;
    expect(resultOf(outcome)).toEqual({ text: 'hello' });
    expectSound(engine, outcome);
    await Promise.all(waiting);
  });

  describe('start and stop', () => {
    it('runs nothing before it was started', async () => {
      const { engine } = testEngine();
      await expect(engine.handleIntent(request('test.echo'))).rejects.toMatchObject({ code: 'internal' });
    });

    it('lets what runs finish, then interrupts it, and refuses what comes', async () => {
      const { engine, clock } = await startedEngine({ drainMs: 1_000 });
      const quick = engine.handleIntent(request('test.slow', { steps: 2 }));
      const hanging = engine.handleIntent(request('test.hang'));
      await settle();
      const stopped = engine.stop();
      await engine.stop();
      expect((await quick).status).toBe('completed');
      expect(errorOf(await engine.handleIntent(request('test.echo'))).code).toBe('interrupted');
      await clock.advance(1_000);
      expect(errorOf(await hanging).code).toBe('interrupted');
      await stopped;
      expect(clock.pendingTimers).toBe(0);
    });
  });

  it('runs on behalf of the origin', async () => {
    const module = testModule(async (_intent, api) => ({ ...api.identity, now: api.now() }), {
      permissions: ['identity'],
    });
    const { engine, clock } = await startedEngine({ modules: [module] });
    const outcome = await engine.handleIntent(request('unit.run'));
    expect(resultOf(outcome)).toEqual({
      node: bob.identity,
      origin: alice.identity,
      standing: 'known',
      now: clock.now(),
    });
    expect(outcome.receipt.permissionsUsed).toEqual(['identity']);
  });
});
