import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { wasmTimeLimit } from '../../../src/daemon/wasm-time-limit.ts';
import type { MeshEngine } from '../../../src/engine/engine.ts';
import { ThreadPool } from '../../../src/engine/runners/threads/thread-pool.ts';
import { WasmPool } from '../../../src/engine/runners/wasm/wasm-pool.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { assemble } from '../../support/assembly-script.ts';
import { silentLog } from '../../support/database.ts';
import { errorOf, request, resultOf, startedEngine } from '../../support/engine.ts';
import { alice, bob } from '../../support/keys.ts';
import { SOURCES } from '../../support/wasm-sources.ts';

const FOLDER = fileURLToPath(new URL('../../../capabilities/wasm', import.meta.url));
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The engine of one node that runs what an order brings along. */
async function nodeWith(settings: JsonObject) {
  const components = { clock: systemClock, log: silentLog };
  const threads = new ThreadPool(components, { computing: 1, memoryMb: 256 });
  const pool = new WasmPool(
    { ...components, probes: threads },
    { rooms: 1, memoryMb: 256, timeLimit: wasmTimeLimit },
  );
  const { engine } = await startedEngine({
    modules: [{ folder: FOLDER, runner: pool }],
    config: new Map([['wasm', settings]]),
  });
  const stop = async (): Promise<void> => {
    await engine.stop();
    await pool.stop();
    await threads.stop();
  };
  return { engine, stop };
}

async function order(engine: MeshEngine, name: keyof typeof SOURCES, more: JsonObject = {}) {
  const module = base64(await assemble(SOURCES[name]));
  return engine.handleIntent(request('wasm.run', { module, ...more }));
}

describe('wasm.run', () => {
  let engine: MeshEngine;
  let stop: () => Promise<void>;

  beforeAll(async () => {
    ({ engine, stop } = await nodeWith({ allow: 'all' }));
  });
  afterAll(() => stop());

  it('runs a module with JSON, and says in the receipt which one and what it could have', async () => {
    const outcome = await order(engine, 'echo', { input: { a: [1, 'ü'] } });
    expect(resultOf(outcome)).toEqual({ output: { length: 13, input: { a: [1, 'ü'] } } });
    expect(outcome.receipt.execution).toMatchObject({
      wasm: {
        sha256: sha256(await assemble(SOURCES.echo)),
        function: 'run',
        limits: { timeMs: 5_000, memoryPages: 256 },
      },
      use: { cpuMs: expect.any(Number) },
    });
  });

  it('takes and gives text', async () => {
    const outcome = await order(engine, 'text', { text: 'naïve', answer: 'text' });
    expect(resultOf(outcome)).toEqual({ text: 'häßlich naïve' });
  });

  it('gives the same on two nodes', async () => {
    const other = await nodeWith({ allow: 'all' });
    try {
      const [here, there] = await Promise.all([order(engine, 'sum'), order(other.engine, 'sum')]);
      expect(resultOf(here)).toMatchObject({ output: { whole: expect.any(String) } });
      expect(there.receipt.resultHash).toBe(here.receipt.resultHash);
    } finally {
      await other.stop();
    }
  });

  it.each<[keyof typeof SOURCES, string, string, JsonObject?]>([
    ['trap', 'invalid_payload', 'The module trapped: unreachable.'],
    ['deep', 'invalid_payload', 'The module failed: Maximum call stack size exceeded.'],
    ['says', 'invalid_payload', 'The module says: There is no such town.'],
    ['silent', 'invalid_payload', 'The module gave no output.'],
    ['noJson', 'invalid_payload', 'The module gave what is not JSON.'],
    ['noText', 'invalid_payload', 'The module gave what is not text in UTF-8.'],
    ['large', 'too_large', 'The module gave 1048577 bytes; 1048576 are allowed.'],
    ['grow', 'too_large', 'The module failed when its memory of 256 pages was full: unreachable.'],
    ['blocks', 'too_large', 'The module asked for more memory for its input and output than it may have.'],
    ['unknownImport', 'invalid_payload', 'The module imports "launch" from "env", which is not there.'],
    [
      'http',
      'invalid_payload',
      'The module imports "http_request" from "extism:host/env", which is not there.',
    ],
    ['silent', 'invalid_payload', 'The module exports no function "walk".', { function: 'walk' }],
    ['loop', 'timeout', 'The module was not done within its limit of 50 ms.', { limits: { timeMs: 50 } }],
    [
      'echo',
      'permission_denied',
      'The order needs "limits.timeMs" of 10001; this node allows 10000.',
      { limits: { timeMs: 10_001 } },
    ],
    [
      'echo',
      'permission_denied',
      'The order needs "limits.memoryPages" of 2000; this node allows 1024.',
      { limits: { memoryPages: 2_000 } },
    ],
  ])('ends %s with %s and a receipt, and goes on', async (name, code, message, more) => {
    const outcome = await order(engine, name, more);
    expect(errorOf(outcome)).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(outcome.receipt).toMatchObject({ status: 'failed', error: { code } });
    expect(resultOf(await order(engine, 'echo', { input: 1 }))).toMatchObject({ output: { input: 1 } });
  });

  it('says in the receipt of a run that was killed what it was', async () => {
    const { receipt } = await order(engine, 'loop', { limits: { timeMs: 30, memoryPages: 8 } });
    expect(receipt.execution).toMatchObject({
      wasm: {
        sha256: sha256(await assemble(SOURCES.loop)),
        limits: { timeMs: 30, memoryPages: 8 },
      },
    });
  });

  it.each([
    ['no base64', '*', 'is not base64'],
    ['no WebAssembly', base64(Buffer.from('{"a":1}')), 'The module is no WebAssembly.'],
    ['a component', base64(Buffer.from('\0asm\x0d\0\x01\0', 'latin1')), 'or a component'],
    ['a module that breaks off', base64(Buffer.from('\0asm\x01\0\0\0\x01\x7f', 'latin1')), 'breaks off'],
    ['more than 512 KiB', base64(new Uint8Array(524_289)), '524288 are allowed'],
  ])('refuses %s', async (_what, module, message) => {
    const outcome = await engine.handleIntent(request('wasm.run', { module }));
    expect(errorOf(outcome).message).toContain(message);
  });
});

describe('what an operator lets run', () => {
  const offers = (engine: MeshEngine) => engine.offers().map(({ capability }) => capability.id);
  const reason = (engine: MeshEngine) => engine.modules()[0]?.reason;

  it('is nothing, until there is a word of it', async () => {
    const { engine, stop } = await nodeWith({});
    try {
      expect(offers(engine)).toEqual([]);
      expect(reason(engine)).toContain('Off until capabilities.settings.wasm.allow says what may run.');
      expect(errorOf(await order(engine, 'echo')).code).toBe('capability_unavailable');
    } finally {
      await stop();
    }
  });

  it('is told where it makes no sense', async () => {
    const { engine, stop } = await nodeWith({ allow: 'everything' });
    try {
      expect(reason(engine)).toContain('"allow" is false, "all", or an object');
    } finally {
      await stop();
    }
  });

  it('is the listed modules, and whatever the listed signers sign', async () => {
    const known = sha256(await assemble(SOURCES.echo));
    const { engine, stop } = await nodeWith({ allow: { hashes: [known], signers: [bob.identity] } });
    const module = base64(await assemble(SOURCES.text));
    const by = (origin: string) =>
      engine.handleIntent({ ...request('wasm.run', { module, text: '', answer: 'text' }), origin });
    try {
      expect(offers(engine)).toEqual(['wasm.run']);
      expect(resultOf(await order(engine, 'echo', { input: 1 }))).toMatchObject({ output: { input: 1 } });
      expect(errorOf(await by(alice.identity)).code).toBe('permission_denied');
      expect(resultOf(await by(bob.identity))).toEqual({ text: 'häßlich ' });
    } finally {
      await stop();
    }
  });
});
