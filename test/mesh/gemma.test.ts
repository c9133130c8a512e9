import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Cluster, type NodeOptions, type RealNode } from '../support/cluster.ts';
import type { DoubleModel, OllamaDouble } from '../support/ollama-double.ts';

/** `OllamaDouble` speaks Ollama's protocol and has no model: what is tested is the mesh, not Gemma. */
const MODEL = { name: 'gemma3:4b', digest: 'a'.repeat(64), quantization: 'Q4_K_M' };
const SUMMARIZE = {
  requestedCapability: 'ai.summarize',
  payload: { text: 'A capsule is signed. A node runs it. A receipt proves it.' },
  paymentRule: { type: 'credit', amount: 2 },
};

describe('Gemma on another node', () => {
  let cluster: Cluster;

  beforeEach(() => {
    cluster = new Cluster();
  });
  afterEach(() => cluster[Symbol.asyncDispose]());

  it('streams what the model says as it says it, and binds the model in the receipt', async () => {
    const { node, model } = await gemma();
    const submitter = await submitterOf([node]);
    model.script = { tokens: ['A ', 'short ', 'summary.'], ending: 'pause', refuse: null };
    const { reached } = model.nextPause();
    const id = await submitter.submit(SUMMARIZE);
    await reached;
    // The model has not ended its answer, and all that it has said is here.
    let heard = '';
    await submitter.seen(id, (event) => {
      if (event.type === 'progress') heard += event.delta ?? '';
      return heard === 'A short summary.';
    });
    expect((await submitter.view(id)).status).toBe('executing');
    model.resume();
    expect(await submitter.ended(id)).toMatchObject({
      status: 'completed',
      executor: node.nodeId,
      result: { summary: 'A short summary.', model: MODEL.name },
      receipt: {
        identity: node.identity,
        execution: { model: MODEL.name, digest: MODEL.digest, quantization: MODEL.quantization },
      },
    });
  });

  it('fails as model_unavailable when Ollama stops in mid-stream, and goes to another node where there is one', async () => {
    const { node, model } = await gemma();
    const submitter = await submitterOf([node]);
    model.script.ending = 'cut';
    const once = await submitter.submit({ ...SUMMARIZE, executionPolicy: { maxRetries: 0 } });
    expect(await submitter.ended(once)).toMatchObject({
      status: 'failed',
      error: { code: 'model_unavailable' },
      receipt: { status: 'failed', identity: node.identity, error: { code: 'model_unavailable' } },
    });
    // The same one is asked again, with growing pauses, until another is there.
    const again = await submitter.submit({ ...SUMMARIZE, executionPolicy: { maxRetries: 8 } });
    await submitter.seen(again, ({ type }) => type === 'progress');
    const second = await gemma({ bootstrap: [submitter] });
    expect(await submitter.ended(again)).toMatchObject({
      status: 'completed',
      executor: second.node.nodeId,
      result: { summary: 'Hello there.' },
    });
    const asked = model.requests.filter(({ path }) => path === '/api/chat').length;
    expect((await submitter.view(again)).record.attempts).toBe(asked);
  });

  it('stops the model when the capsule is cancelled', async () => {
    const { node, model } = await gemma();
    const submitter = await submitterOf([node]);
    model.script.ending = 'pause';
    const { reached, gone } = model.nextPause();
    const id = await submitter.submit(SUMMARIZE);
    await reached;
    await submitter.call('POST', `/api/capsules/${id}/cancel`);
    await gone;
    expect(await submitter.ended(id)).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
  });

  it('is offered only while Ollama answers and has a Gemma', async () => {
    const { node, model } = await gemma({}, [{ name: 'llama3:8b' }]);
    const submitter = await cluster.start({ bootstrap: [node] });
    const offered = (there: boolean): Promise<unknown> =>
      submitter.until<{ items: unknown[] }>(
        '/api/market?capability=ai.chat',
        ({ items }) => there === items.length > 0,
      );
    expect(await node.get('/api/capabilities')).toMatchObject({
      modules: [{ state: 'unavailable' }],
      offers: [],
    });
    model.models = [MODEL];
    await offered(true);
    expect(await submitter.get('/api/market?capability=ai.chat')).toMatchObject({
      items: [{ nodeId: node.nodeId, detail: { models: [{ name: MODEL.name, digest: MODEL.digest }] } }],
    });
    expect(await submitter.get('/api/market?capability=ai.embed')).toMatchObject({ items: [] });
    await model.stop();
    await offered(false);
    expect(await submitter.get('/api/market')).toMatchObject({ items: [] });
  });

  async function gemma(
    options: NodeOptions = {},
    installed: DoubleModel[] = [MODEL],
  ): Promise<{ node: RealNode; model: OllamaDouble }> {
    const model = await cluster.model(installed);
    const config = { models: { ollama: model.url }, engine: { probeIntervalMs: 100 } };
    return { model, node: await cluster.start({ capabilities: ['gemma'], config, ...options }) };
  }

  async function submitterOf(nodes: RealNode[]): Promise<RealNode> {
    const exchange = { announceIntervalMs: 100, searchMs: 60_000 };
    const submitter = await cluster.start({ bootstrap: nodes, config: { exchange } });
    for (const node of nodes) await submitter.knows(node, 'ai.summarize');
    return submitter;
  }
});
