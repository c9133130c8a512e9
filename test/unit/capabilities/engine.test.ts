import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MeshEngine } from '../../../src/engine/engine.ts';
import { OllamaModels } from '../../../src/engine/ollama-models.ts';
import { errorOf, request, resultOf, startedEngine } from '../../support/engine.ts';
import { OllamaDouble } from '../../support/ollama-double.ts';
import type { VirtualClock } from '../../support/virtual-clock.ts';

const folder = (name: string) => ({
  folder: fileURLToPath(new URL(`../../../capabilities/${name}`, import.meta.url)),
});
const CHAT = ['ai.chat', 'ai.summarize', 'ai.analyze'];
const PROBE_INTERVAL_MS = 1_000;

let ollama: OllamaDouble;
let engine: MeshEngine;
let clock: VirtualClock;

beforeEach(async () => {
  ollama = await OllamaDouble.start([{ name: 'gemma3:4b', digest: 'd1' }, { name: 'llama3:8b' }]);
  const models = new OllamaModels({ host: ollama.url }).port;
  const modules = ['text', 'report', 'data', 'notify', 'gemma'].map(folder);
  const webhooks = new Map([['team', { url: 'https://hooks.example.org/x', headers: {} }]]);
  const fetch = async () => new Response('ok');
  ({ engine, clock } = await startedEngine(
    { modules, webhooks, probeIntervalMs: PROBE_INTERVAL_MS },
    { models, fetch },
  ));
});
afterEach(async () => {
  await engine.stop();
  await ollama.stop();
});

const run = async (capability: string, payload: Parameters<typeof request>[1]) =>
  resultOf(await engine.handleIntent(request(capability, payload)));
const offered = () => engine.offers().map(({ capability }) => capability.id);

describe('the built-in capabilities in an engine', () => {
  it('analyse, report, store and notify, each with a receipt', async () => {
    const text = await readFile(new URL('../../../examples/incident-report.md', import.meta.url), 'utf8');
    const analysis = await run('text.analyze', { text });
    const report = await run('report.create', JSON.parse(JSON.stringify({ analysis })));
    const { html } = report as { html: string };
    const stored = await run('data.store', { content: html, mediaType: 'text/html' });
    const { key } = stored as { key: string };
    expect(await run('data.get', { key })).toMatchObject({ value: html, mediaType: 'text/html' });
    const payload = {
      message: 'The report is stored.',
      data: { key },
      channels: ['log', 'webhook'],
      webhook: 'team',
    };
    expect(await run('notify.send', payload)).toMatchObject({
      delivered: [{ channel: 'webhook' }, { channel: 'log' }],
    });
    expect(await engine.receipts.verify()).toMatchObject({ ok: true, receipts: 5 });
  });

  it('store a document as large as they promise, and say what is allowed for a larger one', async () => {
    const largest = 'x'.repeat(255_998);
    await run('data.store', { key: 'value', value: largest });
    await run('data.store', { key: 'content', content: largest });
    expect(await run('data.get', { key: 'value' })).toMatchObject({ value: largest, bytes: 256_000 });
    const tooLarge = await engine.handleIntent(request('data.store', { value: `${largest}x` }));
    expect(errorOf(tooLarge)).toMatchObject({
      code: 'too_large',
      message: 'The value has 256001 bytes of canonical JSON; 256000 are allowed.',
    });
    const tooLong = await engine.handleIntent(request('data.store', { content: `${largest}x` }));
    expect(errorOf(tooLong)).toMatchObject({
      code: 'invalid_payload',
      message: expect.stringContaining('255998'),
    });
  });

  it('refuse what their schemas do not allow, before any of their code runs', async () => {
    for (const [capability, payload] of [
      ['text.summarize', { text: 'A sentence is here.', sentence: 2 }],
      ['report.create', {}],
      ['data.store', { value: 1, content: 'x' }],
      ['notify.send', { message: 'Hi', url: 'file:///etc/passwd' }],
      ['ai.chat', { text: 'Hi', options: { num_gpu: 1 } }],
    ] as const) {
      const outcome = await engine.handleIntent(
        request(capability, payload as Parameters<typeof request>[1]),
      );
      expect(errorOf(outcome).code).toBe('invalid_payload');
    }
    expect(ollama.requests.filter(({ path }) => path === '/api/chat')).toEqual([]);
  });

  it('send nothing to a webhook that the operator did not name', async () => {
    const payload = { message: 'Hi', channels: ['webhook'], webhook: 'elsewhere' };
    const outcome = await engine.handleIntent(request('notify.send', payload));
    expect(errorOf(outcome)).toMatchObject({
      code: 'not_found',
      message: 'This node has no webhook of that name.',
    });
  });
});

describe('Gemma in an engine', () => {
  const change = async () => {
    const changed = new Promise<void>((resolve) => engine.onOffersChanged(resolve));
    await clock.advance(PROBE_INTERVAL_MS);
    await changed;
  };

  it('is on offer only while Ollama answers and has the model', async () => {
    expect(offered()).toEqual(expect.arrayContaining(CHAT));
    expect(offered()).not.toContain('ai.embed');
    ollama.models = [{ name: 'llama3:8b' }, { name: 'embeddinggemma:latest' }];
    await change();
    expect(offered()).toContain('ai.embed');
    expect(offered()).not.toContain('ai.chat');
    ollama.script.refuse = 503;
    await change();
    expect(offered().filter((id) => id.startsWith('ai.'))).toEqual([]);
    expect(errorOf(await engine.handleIntent(request('ai.embed', { text: 'a' }))).code).toBe(
      'capability_unavailable',
    );
  });

  it('says why it is not on offer', async () => {
    const reason = () => engine.modules().find(({ manifest }) => manifest.id === 'gemma')?.reason;
    // Of what is missing while the rest is on offer, too.
    expect(reason()).toBe('For ai.embed an embedding model is missing, such as embeddinggemma.');
    const { url } = ollama;
    await ollama.stop();
    await change();
    expect(reason()).toBe(`Ollama does not answer at ${url}.`);
  });

  it('puts the model, its digest and its options into the receipt', async () => {
    const { receipt } = await engine.handleIntent(request('ai.summarize', { text: 'A document.' }));
    expect(receipt).toMatchObject({
      status: 'completed',
      execution: {
        model: 'gemma3:4b',
        digest: 'd1',
        options: { temperature: 0, num_predict: 1_024 },
        seed: 0,
      },
    });
  });

  it('fails with a receipt when Ollama stops in mid-stream, after what it streamed was passed on', async () => {
    ollama.script.ending = 'cut';
    const deltas: unknown[] = [];
    const outcome = await engine.handleIntent(request('ai.chat', { text: 'Hi' }), {
      onProgress: (update) => deltas.push(update),
    });
    expect(errorOf(outcome).code).toBe('model_unavailable');
    expect(deltas).toEqual([{ delta: 'Hello' }, { delta: ' there' }, { delta: '.' }]);
    expect(outcome.receipt).toMatchObject({ status: 'failed', execution: null, resultHash: null });
  });

  it('stops the model when the intent is cancelled', async () => {
    ollama.script.ending = 'pause';
    const { reached, gone } = ollama.nextPause();
    const controller = new AbortController();
    const running = engine.handleIntent(request('ai.chat', { text: 'Hi' }), { signal: controller.signal });
    await reached;
    controller.abort();
    await gone;
    expect(errorOf(await running).code).toBe('cancelled');
  });
});
