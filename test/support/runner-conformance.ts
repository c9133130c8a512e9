import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { ModelExecution } from '../../protocols/receipt/v1/schema.ts';
import type { ModelInfo, ModelsApi } from '../../src/engine/capability.ts';
import type { EngineInit, MeshEngine } from '../../src/engine/engine.ts';
import type { Runner } from '../../src/engine/runners/runner.ts';
import type { HandleOptions, Outcome } from '../../src/engine/types.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { MeshError } from '../../src/lib/errors.ts';
import { errorOf, request, resultOf, startedEngine } from './engine.ts';
import { alice, bob } from './keys.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** A module whose every deed is one thing that code may do, well or badly. */
export const ROOM_FOLDER = fileURLToPath(new URL('room-capability', import.meta.url));

export interface RunnerUnderTest {
  /** One for each test, which stops it. Of a bounded memory of 64 MB where it bounds any. */
  open: () => Runner;
  /** Whether the code is held apart: can be killed, and harms nobody. */
  isolated: boolean;
  /** Whether code can reach the channel itself. */
  rawMessages?: boolean;
}

const EXECUTION: ModelExecution = {
  model: 'm',
  digest: 'd',
  quantization: null,
  options: {},
  seed: null,
  promptTokens: 1,
  completionTokens: 2,
  ended: 'stop',
};

const MODEL: ModelInfo = {
  name: 'm',
  digest: 'd',
  quantization: null,
  size: 1,
  families: [],
  abilities: null,
  contextTokens: null,
  parallel: 1,
};

const models = (): ModelsApi => ({
  list: async () => [MODEL],
  chat: async ({ model }, onDelta) => {
    if (model === 'gone') throw new MeshError('model_unavailable', 'It is gone.', { reason: 'sold' });
    onDelta?.('hm', true);
    for (const delta of ['He', 'll', 'o']) onDelta?.(delta, false);
    return { text: 'Hello', thinking: 'hm', toolCalls: [], execution: EXECUTION };
  },
  embed: async ({ input }) => ({ embeddings: input.map((_text, index) => [index]), execution: EXECUTION }),
});

const INTERNAL = { code: 'internal', message: 'An internal error occurred.' };
const MAX_EVENTS = 1_000_000;

/** What every runner does, whatever runs the code (engine/runners/runner.ts). */
export function runnerConformance(name: string, subject: RunnerUnderTest): void {
  describe(`a runner of code: ${name}`, () => {
    let folder: string;
    let runner: Runner;
    let engine: MeshEngine;
    let clock: VirtualClock;
    const fetched: string[] = [];
    const opened: Runner[] = [];

    async function open(init: Partial<EngineInit> = {}, permissions?: string[]): Promise<void> {
      const manifest = JSON.parse(readFileSync(join(ROOM_FOLDER, 'manifest.json'), 'utf8'));
      if (permissions !== undefined) {
        writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, permissions }));
      }
      runner = subject.open();
      opened.push(runner);
      const fetch: typeof globalThis.fetch = async (address, given) => {
        if (String(address).endsWith('/never')) return new Promise(() => {});
        fetched.push(`${given?.method} ${address} ${given?.body}`);
        return new Response('answer', { status: 201 });
      };
      ({ engine, clock } = await startedEngine(
        {
          modules: [{ folder, runner }],
          config: new Map([['room', { colour: 'blue' }]]),
          webhooks: new Map([['team', { url: 'https://hooks.example.net/', headers: {} }]]),
          ...init,
        },
        { models, fetch },
      ));
    }

    const handle = (payload: JsonObject, options: HandleOptions = {}): Promise<Outcome> =>
      engine.handleIntent({ ...request('room.run', payload), origin: bob.identity }, options);
    const deed = async (payload: JsonObject): Promise<unknown> => resultOf(await handle(payload));
    const failure = async (payload: JsonObject) => errorOf(await handle(payload));

    /** Runs, and does `then` when the code says that it has begun. */
    async function meanwhile(payload: JsonObject, act: () => unknown, options: HandleOptions = {}) {
      const begun = Promise.withResolvers<void>();
      const outcome = handle(payload, { ...options, onProgress: () => begun.resolve() });
      await begun.promise;
      await act();
      return errorOf(await outcome);
    }

    beforeEach(() => {
      folder = join(mkdtempSync(join(tmpdir(), 'capsule-room-')), 'room');
      cpSync(ROOM_FOLDER, folder, { recursive: true });
      fetched.length = 0;
    });
    afterEach(async () => {
      for (const each of opened.splice(0)) await each.stop();
      rmSync(join(folder, '..'), { recursive: true, force: true });
    });

    describe('results and errors', () => {
      beforeEach(() => open());

      it('gives back any JSON', async () => {
        const value = { do: 'echo', list: [null, true, 1.5, 'é😀\u0000'], deep: { a: { b: {} } } };
        expect(await deed(value)).toEqual(value);
      });

      it('hands over a frozen intent, the configuration and the node’s time', async () => {
        expect(await deed({ do: 'intent' })).toEqual({
          action: 'room.run',
          capability: 'room.run',
          payload: { do: 'intent' },
          raw: 'direct:test',
          timestamp: 1_700_000_000_000,
          untrusted: [],
          frozen: true,
        });
        const { now, ...config } = (await deed({ do: 'config' })) as { now: number };
        expect(config).toEqual({ config: { colour: 'blue' }, frozen: true });
        expect(Math.abs(now - clock.now())).toBeLessThan(60_000);
      });

      it('tells a known code with its sentence, and nothing of anything else', async () => {
        expect(await failure({ do: 'fail', code: 'not_found', message: 'It is not there.' })).toEqual({
          code: 'not_found',
          message: 'It is not there.',
        });
        expect(await failure({ do: 'fail', code: 'made_up', message: 'secret' })).toEqual(INTERNAL);
        expect(await failure({ do: 'throw' })).toEqual(INTERNAL);
      });

      it.each(['none', 'bigint', 'date', 'nan', 'circle'])(
        'refuses a result that is no JSON: %s',
        async (what) => {
          expect(await failure({ do: what })).toEqual({
            code: 'internal',
            message: expect.stringMatching(/^The result of the capability /),
          });
          expect(await deed({ do: 'echo' })).toEqual({ do: 'echo' });
        },
      );

      it.each(['large', 'vast'])('refuses a result that is too %s', async (what) => {
        expect(await failure({ do: what })).toMatchObject({ code: 'too_large' });
        expect(await deed({ do: 'echo' })).toEqual({ do: 'echo' });
      });

      it('answers a flood of calls, each with its own', async () => {
        const numbers = Array.from({ length: 400 }, (_, number) => number);
        const results = await Promise.all(numbers.map((number) => deed({ do: 'echo', number })));
        expect(results).toEqual(numbers.map((number) => ({ do: 'echo', number })));
      });
    });

    describe('the API', () => {
      beforeEach(() => open());

      it('keeps what is stored, with the receipt or not at all', async () => {
        const stored = { before: null, after: { name: 'a' }, keys: ['deed/a'] };
        expect(await deed({ do: 'storage', name: 'a' })).toEqual(stored);
        expect(await deed({ do: 'storage', name: 'a' })).toEqual({ ...stored, before: { name: 'a' } });
        expect(await failure({ do: 'put', value: 'x'.repeat(300_000) })).toMatchObject({ code: 'too_large' });
      });

      it('answers more requests than may be open at once', async () => {
        expect(await deed({ do: 'requests', times: 300 })).toEqual({ same: true });
      });

      it('fetches from listed hosts, and posts to the operator’s webhooks', async () => {
        expect(await deed({ do: 'fetch', url: 'https://example.org/a' })).toEqual({
          status: 201,
          body: 'answer',
        });
        expect(await deed({ do: 'webhook', name: 'team' })).toEqual({ status: 201, body: 'answer' });
        expect(fetched).toEqual(['POST https://example.org/a b', 'POST https://hooks.example.net/ hook']);
        expect(await failure({ do: 'webhook', name: 'none' })).toMatchObject({ code: 'not_found' });
        expect(await failure({ do: 'fetch', url: 'https://example.com/' })).toMatchObject({
          code: 'permission_denied',
        });
      });

      it('reaches models, streams what they say, and binds what ran into the receipt', async () => {
        const outcome = await handle({ do: 'models' });
        expect(resultOf(outcome)).toEqual({
          text: 'Hello',
          deltas: ['(hm)', 'He', 'll', 'o'],
          embeddings: [[0], [1]],
          first: MODEL,
        });
        expect(outcome.receipt.execution).toMatchObject(EXECUTION);
        expect(await failure({ do: 'models', model: 'gone' })).toEqual({
          code: 'model_unavailable',
          message: 'It is gone.',
          detail: { reason: 'sold' },
        });
      });

      it('seals envelopes, and nothing else', async () => {
        const message = 'capsule-provenance-v0.6:originator\0{}';
        expect(await deed({ do: 'seal', message })).toEqual({ key: bob.identity, bytes: 64, isBytes: true });
        expect(await failure({ do: 'seal', message: 'frame-capsule-v1\0' })).toMatchObject({
          code: 'permission_denied',
        });
      });

      it('says who asks, and notes it', async () => {
        const outcome = await handle({ do: 'identity' });
        expect(resultOf(outcome)).toEqual({ node: bob.identity, origin: bob.identity, standing: 'own' });
        expect(outcome.receipt.permissionsUsed).toEqual(['identity']);
      });

      it('works no more when the intent has ended', async () => {
        expect(await deed({ do: 'late' })).toBe('first');
        expect(await deed({ do: 'late' })).toEqual({
          held: 'cancelled',
          line: 'cancelled',
          streamed: 'cancelled',
        });
      });
    });

    describe('permissions', () => {
      const namespaces = ['storage', 'network', 'models', 'seal', 'progress', 'log', 'identity'];

      it.each(namespaces)('throws as soon as undeclared %s is touched, and notes it', async (what) => {
        await open({}, []);
        const outcome = await handle({ do: 'touch', name: what });
        expect(resultOf(outcome)).toEqual({
          code: 'permission_denied',
          message: `The module room does not declare the permission ${what}.`,
        });
        expect(outcome.receipt.permissionsUsed).toEqual([`refused:${what}`]);
      });

      it.each(['progress', 'log', 'identity'])(
        'throws where %s is not granted, and notes it',
        async (what) => {
          await open({ grantedByDefault: () => false });
          const outcome = await handle({ do: 'touch', name: what });
          expect(resultOf(outcome)).toEqual({
            code: 'permission_denied',
            message: `The operator has not granted ${what} to the module room.`,
          });
          expect(outcome.receipt.permissionsUsed).toEqual([`refused:${what}`]);
        },
      );

      it('refuses what is not granted and answers later', async () => {
        await open({ grantedByDefault: (_module, permission) => permission !== 'storage' });
        const outcome = await handle({ do: 'storage', name: 'a' });
        expect(errorOf(outcome)).toMatchObject({ code: 'permission_denied' });
        expect(outcome.receipt.permissionsUsed).toEqual(['refused:storage']);
      });
    });

    describe('progress', () => {
      beforeEach(() => open());

      async function streamed(payload: JsonObject) {
        const pieces: { delta?: string; stage?: string }[] = [];
        const outcome = await handle(payload, { onProgress: (update) => pieces.push(update) });
        return { outcome, pieces, text: pieces.map(({ delta = '' }) => delta).join('') };
      }

      it('comes whole and in order, before the result', async () => {
        const { text, pieces } = await streamed({ do: 'stream', times: 1_000, stages: true });
        expect(text).toBe('0123456789'.repeat(100));
        expect(pieces.findLast(({ stage }) => stage !== undefined)).toEqual({ stage: 'stage 999' });
      });

      it('comes whole where there are a million of them', async () => {
        const { text, outcome } = await streamed({ do: 'stream', times: MAX_EVENTS });
        expect(resultOf(outcome)).toEqual({ times: MAX_EVENTS });
        expect(text.length).toBe(MAX_EVENTS);
        expect(nodeCrypto.sha256Hex(text)).toBe(nodeCrypto.sha256Hex('0123456789'.repeat(MAX_EVENTS / 10)));
      });

      it('cuts no character in two', async () => {
        const { text } = await streamed({ do: 'stream', times: 1, delta: `a${'😀'.repeat(100_000)}` });
        expect(text).toBe(`a${'😀'.repeat(100_000)}`);
      });
    });

    describe('an end from outside', () => {
      beforeEach(() => open());

      it('is a timeout for what takes too long', async () => {
        const error = await meanwhile({ do: 'hang' }, () => clock.advance(1_000), { timeoutMs: 1_000 });
        expect(error).toEqual({ code: 'timeout', message: 'The work was not done within 1000 ms.' });
        expect(await deed({ do: 'echo' })).toEqual({ do: 'echo' });
      });

      it('is told to code that is cancelled', async () => {
        const controller = new AbortController();
        const stop = () => controller.abort(new MeshError('cancelled', 'No longer wanted.'));
        const error = await meanwhile({ do: 'hang' }, stop, { signal: controller.signal });
        expect(error).toEqual({ code: 'cancelled', message: 'No longer wanted.' });
      });

      it('does not wait for code that is deaf to it', async () => {
        const error = await meanwhile({ do: 'hang', deaf: true }, () => clock.advance(1_000), {
          timeoutMs: 1_000,
        });
        expect(error).toMatchObject({ code: 'timeout' });
        expect(await deed({ do: 'echo' })).toEqual({ do: 'echo' });
      });

      it('ends what runs when the runner stops', async () => {
        const error = await meanwhile({ do: 'hang', deaf: true }, () => runner.stop());
        expect(error).toMatchObject({ code: 'interrupted' });
      });
    });

    if (subject.isolated)
      describe('code that is held apart', () => {
        beforeEach(() => open());
        afterEach(async () => expect(await deed({ do: 'echo' })).toEqual({ do: 'echo' }));

        it('is killed where it blocks, and the receipt says what it took', async () => {
          const begun = Promise.withResolvers<void>();
          const running = handle({ do: 'block' }, { timeoutMs: 1_000, onProgress: () => begun.resolve() });
          await begun.promise;
          await clock.advance(1_000);
          const outcome = await running;
          expect(errorOf(outcome)).toMatchObject({ code: 'timeout' });
          expect(outcome.receipt.execution?.use?.cpuMs).toBeGreaterThan(0);
        });

        it('says what it took', async () => {
          const { receipt } = await handle({ do: 'stream', times: 100_000 });
          expect(receipt.execution).toEqual({
            use: { cpuMs: expect.any(Number), peakMemoryBytes: expect.any(Number) },
          });
        });

        it.each(['timer', 'floating', 'exit'])('fails alone: %s', async (what) => {
          expect(await failure({ do: what })).toEqual({
            code: 'internal',
            message: expect.stringMatching(/^The code (of the module room )?(threw|ended) /),
          });
        });

        it('may answer before what it left behind throws', async () => {
          await handle({ do: 'floating', answer: true });
          expect(await deed({ do: 'echo' })).toEqual({ do: 'echo' });
        });

        it.each(['heap', 'buffers'])('has so much memory and no more: %s', async (what) => {
          expect(await failure({ do: what })).toEqual({
            code: 'too_large',
            message: expect.stringMatching(/memory/),
          });
        });

        it('fails others with it that run in the same room only where it blocks them', async () => {
          const others = Array.from({ length: 20 }, (_, number) =>
            handle({ do: 'stream', times: 10, number }),
          );
          expect(await failure({ do: 'floating' })).toMatchObject({ code: 'internal' });
          for (const outcome of await Promise.all(others)) expect(outcome.status).toBe('completed');
        });

        it('has no environment, and prints nowhere', async () => {
          expect(await deed({ do: 'environment' })).toEqual({});
          expect(await deed({ do: 'print', times: 1_000 })).toBe('printed');
        });

        it('goes on where its files are deleted, and is locked for the next call', async () => {
          const remove = async (): Promise<void> => {
            rmSync(folder, { recursive: true });
            await clock.advance(1_000);
          };
          await meanwhile({ do: 'hang' }, remove, { timeoutMs: 1_000 });
          expect(await failure({ do: 'echo' })).toMatchObject({ code: 'integrity_lock' });
          cpSync(ROOM_FOLDER, folder, { recursive: true });
        });
      });

    if (subject.rawMessages === true)
      describe('messages behind the API’s back', () => {
        beforeEach(() => open());
        afterEach(async () => expect(await deed({ do: 'echo' })).toEqual({ do: 'echo' }));

        const note = JSON.stringify({ t: 'note', run: 1, note: { progress: { delta: 'x' } } });
        const ask = (request: number) =>
          JSON.stringify({
            t: 'request',
            run: 1,
            request,
            name: 'network.fetch',
            body: { url: 'https://example.org/never' },
          });

        it.each([
          ['no JSON', ['{'], 1],
          ['of no known kind', ['{"t":"sudo"}'], 1],
          ['with a field too many', ['{"t":"heard","run":1,"more":1}'], 1],
          [
            'nested too deeply',
            [`{"t":"end","run":1,"use":null,"value":${'['.repeat(100)}${']'.repeat(100)}}`],
            1,
          ],
          ['about a run that never was', ['{"t":"end","run":99,"use":null,"value":1}'], 1],
          ['about a module that nobody asked for', ['{"t":"ready","module":"other","probe":false}'], 1],
          ['too many notes', [note], 10_000],
          ['too many requests', Array.from({ length: 100 }, (_, index) => ask(index)), 1],
          ['the same request twice', [ask(1), ask(1)], 1],
        ])('end the room: %s', async (_what, texts, times) => {
          expect(await failure({ do: 'raw', texts, times, stay: true })).toEqual({
            code: 'internal',
            message: expect.stringMatching(/^The code of the module room was stopped: it /),
          });
        });

        it('answer twice, and the first counts', async () => {
          const texts = ['{"t":"end","run":1,"use":null,"value":"mine"}'];
          expect(await deed({ do: 'raw', texts, times: 2 })).toBe('mine');
        });

        it('cannot flood the node about what has ended', async () => {
          const texts = ['{"t":"end","run":1,"use":null,"value":"mine"}', note];
          expect(await deed({ do: 'raw', texts, times: 100_000 })).toBe('mine');
          // It ends its room, with whatever else is there.
          await handle({ do: 'echo' });
        });

        it('ask for what the API does not have, and are told so', async () => {
          const unknown = JSON.stringify({ t: 'request', run: 1, request: 7, name: 'constructor', body: {} });
          expect(await deed({ do: 'raw', texts: [unknown] })).toBe('said');
        });
      });

    it('runs nothing in the name of a stranger that it would not for the owner', async () => {
      await open();
      const outcome = await engine.handleIntent({
        ...request('room.run', { do: 'identity' }),
        origin: alice.identity,
      });
      expect(resultOf(outcome)).toMatchObject({ origin: alice.identity, standing: 'known' });
    });
  });
}
