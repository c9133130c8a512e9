import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OllamaModels } from '../../../src/engine/ollama-models.ts';
import { MeshError } from '../../../src/lib/errors.ts';
import { OllamaDouble } from '../../support/ollama-double.ts';

const MODEL = { name: 'gemma3:4b', digest: 'a1'.repeat(32), quantization: 'Q4_K_M', size: 4_000 };
const messages = [{ role: 'user' as const, content: 'Hello?' }];

let server: OllamaDouble;
beforeEach(async () => {
  server = await OllamaDouble.start([MODEL, { name: 'embeddinggemma:latest' }]);
});
afterEach(() => server.stop());

const models = (signal = new AbortController().signal) =>
  new OllamaModels({}, { host: server.url }).port(signal);

describe('OllamaModels', () => {
  it('lists what is installed', async () => {
    expect((await models().list())[0]).toEqual(MODEL);
  });

  it('streams an answer and says what ran', async () => {
    const deltas: string[] = [];
    const options = { seed: 7, temperature: 0 };
    const answer = await models().chat({ model: MODEL.name, messages, options }, (delta) =>
      deltas.push(delta),
    );
    expect(deltas).toEqual(['Hello', ' there', '.']);
    expect(answer).toEqual({
      text: 'Hello there.',
      execution: {
        model: MODEL.name,
        digest: MODEL.digest,
        quantization: 'Q4_K_M',
        options,
        seed: 7,
        promptTokens: 7,
        completionTokens: 3,
        ended: 'stop',
      },
    });
    expect(server.requests.at(-1)?.body).toMatchObject({
      model: MODEL.name,
      messages,
      options,
      stream: true,
    });
  });

  it('embeds, and knows a model by its name without the tag', async () => {
    const answer = await models().embed({ model: 'embeddinggemma', input: ['one', 'three'] });
    expect(answer.embeddings).toHaveLength(2);
    expect(answer.execution).toMatchObject({
      model: 'embeddinggemma:latest',
      promptTokens: 2,
      completionTokens: null,
      ended: null,
    });
  });

  it.each([
    ['cut', 'The model server stopped in the middle of its answer.'],
    ['error', 'The model server stopped in the middle of its answer.'],
  ] as const)('rejects a stream that ends early (%s), after what it streamed', async (ending, message) => {
    server.script.ending = ending;
    const deltas: string[] = [];
    const answer = models().chat({ model: MODEL.name, messages }, (delta) => deltas.push(delta));
    await expect(answer).rejects.toMatchObject({ code: 'model_unavailable', message });
    expect(deltas.join('')).toBe('Hello there.');
  });

  it.each(['half', 'words'] as const)('prints nothing of an answer that is cut (%s)', async (ending) => {
    server.script.ending = ending;
    const printed = (['log', 'warn', 'error', 'info', 'debug'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation(() => {}),
    );
    const answer = models().chat({ model: MODEL.name, messages });
    const error = await answer.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'model_unavailable' });
    expect(printed.flatMap((spy) => spy.mock.calls)).toEqual([]);
    expect(inspect(error, { depth: 9 })).not.toContain('secret');
    vi.restoreAllMocks();
  });

  it('sends a user name and password of the address, and names them nowhere', async () => {
    const host = server.url.replace('//', '//reader:p%40ss@');
    const asking = new OllamaModels({}, { host }).port(new AbortController().signal);
    await asking.list();
    const expected = `Basic ${Buffer.from('reader:p@ss').toString('base64')}`;
    expect(server.requests[0]?.authorization).toBe(expected);
    await server.stop();
    const error = await asking.list().catch((thrown: unknown) => thrown);
    expect(inspect(error, { depth: 9 })).not.toMatch(/p@ss|p%40ss/);
    server = await OllamaDouble.start();
  });

  it('hangs up when the signal aborts', async () => {
    server.script.ending = 'pause';
    const pause = server.nextPause();
    const controller = new AbortController();
    const answer = models(controller.signal).chat({ model: MODEL.name, messages });
    await pause.reached;
    controller.abort(new MeshError('timeout', 'Too long.'));
    await expect(answer).rejects.toMatchObject({ code: 'timeout' });
    await pause.gone;
  });

  it('asks nothing with a signal that is aborted', async () => {
    await expect(models(AbortSignal.abort()).list()).rejects.toMatchObject({ code: 'cancelled' });
    expect(server.requests).toEqual([]);
  });

  it('says so when the model is not installed', async () => {
    await expect(models().chat({ model: 'llama3', messages })).rejects.toMatchObject({
      code: 'model_unavailable',
      message: 'The model llama3 is not installed on the model server.',
    });
  });

  it('tells the words of a server that refuses', async () => {
    server.script.refuse = 500;
    await expect(models().list()).rejects.toMatchObject({
      code: 'model_unavailable',
      message: 'The model server refused the request (500: refused by the double).',
    });
  });

  it('says so when no server is there', async () => {
    const unanswered = models();
    const { url } = server;
    await server.stop();
    await expect(unanswered.list()).rejects.toMatchObject({
      code: 'model_unavailable',
      message: `Ollama does not answer at ${url}.`,
    });
    server = await OllamaDouble.start();
  });

  it('stops an answer that never ends', async () => {
    server.script.tokens = Array.from({ length: 17 }, () => 'x'.repeat(65_536));
    await expect(models().chat({ model: MODEL.name, messages })).rejects.toMatchObject({ code: 'too_large' });
  });
});
