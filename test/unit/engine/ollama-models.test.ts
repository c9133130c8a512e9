import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OllamaModels } from '../../../src/engine/ollama-models.ts';
import { MeshError } from '../../../src/lib/errors.ts';
import { OllamaDouble } from '../../support/ollama-double.ts';

const MODEL = { name: 'gemma3:4b', digest: 'a1'.repeat(32), quantization: 'Q4_K_M', size: 4_000 };
const THINKER = { name: 'thinker:latest', family: 'gemma4', abilities: ['completion', 'thinking', 'tools'] };
const messages = [{ role: 'user' as const, content: 'Hello?' }];

let server: OllamaDouble;
beforeEach(async () => {
  server = await OllamaDouble.start([
    MODEL,
    { name: 'embeddinggemma:latest', contextTokens: 2_048 },
    THINKER,
  ]);
});
afterEach(() => server.stop());

const models = (signal = new AbortController().signal) => new OllamaModels({ host: server.url }).port(signal);

describe('OllamaModels', () => {
  it('lists what is installed', async () => {
    const [model, embeds, thinker] = await models().list();
    expect(model).toEqual({
      ...MODEL,
      families: ['gemma3'],
      abilities: ['completion'],
      contextTokens: 131_072,
      parallel: 4,
    });
    expect(embeds).toMatchObject({ abilities: ['embedding'], contextTokens: 2_048 });
    expect(thinker).toMatchObject({ families: ['gemma4'], abilities: THINKER.abilities });
    const configured = new OllamaModels({ host: server.url, parallel: 9 });
    expect(await configured.port(new AbortController().signal).list()).toMatchObject([
      { parallel: 9 },
      { parallel: 9 },
      { parallel: 9 },
    ]);
  });

  it('looks at a model once, and again when it has other weights', async () => {
    const asking = new OllamaModels({ host: server.url }).port(new AbortController().signal);
    const looks = () => server.requests.filter(({ path }) => path === '/api/show').length;
    await asking.list();
    await asking.list();
    expect(looks()).toBe(3);
    server.models = [{ ...MODEL, digest: 'b2' }, THINKER];
    await asking.list();
    expect(looks()).toBe(4);
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
      thinking: '',
      toolCalls: [],
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
      truncate: false,
      shift: false,
    });
  });

  it('says how the answer ended', async () => {
    server.script.doneReason = 'length';
    const cut = await models().chat({ model: MODEL.name, messages });
    expect(cut.execution.ended).toBe('length');
    server.script.doneReason = null;
    expect((await models().chat({ model: MODEL.name, messages })).execution.ended).toBeNull();
  });

  it('tells thoughts apart, and asks for them of models that think only', async () => {
    server.script.thoughts = ['Let me', ' see.'];
    const deltas: string[] = [];
    const answer = await models().chat({ model: THINKER.name, messages, think: true }, (delta, thinking) =>
      deltas.push(thinking ? `(${delta})` : delta),
    );
    expect(answer).toMatchObject({ text: 'Hello there.', thinking: 'Let me see.' });
    expect(deltas).toEqual(['(Let me)', '( see.)', 'Hello', ' there', '.']);
    expect(server.requests.at(-1)?.body).toMatchObject({ think: true });
    expect(await models().chat({ model: THINKER.name, messages, think: false })).toMatchObject({
      thinking: '',
    });
    await models().chat({ model: MODEL.name, messages, think: false });
    expect(server.requests.at(-1)?.body).not.toHaveProperty('think');
  });

  it('passes on format, tools, images and how long to stay loaded', async () => {
    server.script.toolCalls = [{ function: { name: 'look_up', arguments: { word: 'x' } } }];
    const tools = [{ type: 'function', function: { name: 'look_up' } }];
    const call = { name: 'look_up', arguments: { word: 'x' } };
    const answer = await models().chat({
      model: THINKER.name,
      messages: [
        { role: 'user', content: 'Hi', images: ['aGk='] },
        { role: 'assistant', content: '', toolCalls: [call] },
        { role: 'tool', content: 'a letter', toolName: 'look_up' },
      ],
      format: { type: 'object' },
      tools,
      keepAlive: 60,
    });
    expect(answer.toolCalls).toEqual([call]);
    expect(server.requests.at(-1)?.body).toMatchObject({
      messages: [
        { role: 'user', content: 'Hi', images: ['aGk='] },
        { role: 'assistant', content: '', tool_calls: [{ function: call }] },
        { role: 'tool', content: 'a letter', tool_name: 'look_up' },
      ],
      format: { type: 'object' },
      tools,
      keep_alive: 60,
    });
    server.script.toolCalls = [{ function: { name: 'look_up', arguments: '{"word": ' } }];
    await expect(models().chat({ model: THINKER.name, messages, tools })).rejects.toMatchObject({
      code: 'model_unavailable',
      detail: { reason: 'It asked for a tool in no valid form.' },
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
    ['cut', 'The model server stopped in the middle of its answer.', undefined],
    ['error', 'The model server stopped in the middle of its answer.', { reason: 'the runner stopped' }],
  ] as const)(
    'rejects a stream that ends early (%s), after what it streamed',
    async (ending, message, detail) => {
      server.script.ending = ending;
      const deltas: string[] = [];
      const answer = models().chat({ model: MODEL.name, messages }, (delta) => deltas.push(delta));
      await expect(answer).rejects.toMatchObject({
        code: 'model_unavailable',
        message,
        ...(detail && { detail }),
      });
      expect(deltas.join('')).toBe('Hello there.');
    },
  );

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
    const asking = new OllamaModels({ host }).port(new AbortController().signal);
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
      detail: { status: 500, reason: 'refused by the double' },
    });
  });

  it.each([502, 200])("tells nothing of a proxy's page (%i)", async (status) => {
    server.script.refuse = status;
    server.script.refusal = { type: 'text/html', text: '<html><h1>a secret</h1></html>' };
    for (const work of [models().list(), models().chat({ model: MODEL.name, messages })]) {
      const error = await work.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'model_unavailable' });
      expect(inspect(error, { depth: 9 })).not.toContain('secret');
    }
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

describe('the context that Ollama is asked for', () => {
  const words = (count: number) => [{ role: 'user' as const, content: 'word '.repeat(count) }];
  const port = () => new OllamaModels({ host: server.url }).port(new AbortController().signal);
  const asked = () =>
    server.requests
      .filter(({ path }) => path === '/api/chat' || path === '/api/embed')
      .map(({ body }) => new Map(Object.entries(body.options ?? {})).get('num_ctx'));

  it('is not named where the usual one does', async () => {
    await port().chat({ model: MODEL.name, messages });
    expect(asked()).toEqual([undefined]);
    expect(server.requests.map(({ path }) => path)).not.toContain('/api/ps');
  });

  it('grows with the text, as far as the model goes, and stays while the model is loaded with it', async () => {
    const one = port();
    await one.chat({ model: MODEL.name, messages: words(6_000) });
    await one.chat({ model: MODEL.name, messages });
    await one.chat({ model: MODEL.name, messages: words(7_000) });
    expect(asked()).toEqual([16_384, 16_384, 16_384]);
    expect(server.loads).toBe(1);
    // Somebody else had it loaded as usual meanwhile.
    server.loaded.set(MODEL.name, 4_096);
    await one.chat({ model: MODEL.name, messages });
    expect(asked().at(-1)).toBeUndefined();
  });

  it('is that with which the model is loaded, or that its file asks for, where this is larger', async () => {
    server.usualContext = 32_768;
    server.loaded.set(MODEL.name, 32_768);
    await port().chat({ model: MODEL.name, messages: words(6_000) });
    server.models = [{ ...MODEL, usualContext: 65_536 }];
    server.loaded.clear();
    await port().chat({ model: MODEL.name, messages: words(6_000) });
    expect(asked()).toEqual([undefined, undefined]);
  });

  it('is raised when the server refuses a text that was guessed to be shorter', async () => {
    // Two bytes a word, where three are taken for a token.
    const dense = [{ role: 'user' as const, content: 'a '.repeat(4_300) }];
    const answer = await port().chat({ model: MODEL.name, messages: dense, options: { num_predict: 16 } });
    expect(answer.text).toBe('Hello there.');
    expect(asked()).toEqual([undefined, 16_384]);
  });

  it('ends where the model ends, with the numbers', async () => {
    server.models = [{ ...MODEL, contextTokens: 8_192 }];
    await expect(port().chat({ model: MODEL.name, messages: words(9_000) })).rejects.toMatchObject({
      code: 'too_large',
      message:
        'The text has about 15016 tokens; the model gemma3:4b reads 8192 tokens at most here, its answer included.',
      detail: {
        aboutTokens: 15_016,
        contextTokens: 8_192,
        reason: 'the input length exceeds the context length',
      },
    });
    expect(asked()).toEqual([8_192]);
  });

  it('ends where the operator says', async () => {
    const request = { model: MODEL.name, messages: words(9_000), contextTokens: 6_000 };
    await expect(port().chat(request)).rejects.toMatchObject({
      code: 'too_large',
      detail: { contextTokens: 6_000 },
    });
    expect(asked()).toEqual([6_000]);
  });

  it('tells the tokens that the server counted', async () => {
    const error = {
      code: 400,
      message: 'request (5009 tokens) exceeds the available context size (2048 tokens), try increasing it',
      n_prompt_tokens: 5_009,
      n_ctx: 2_048,
    };
    const one = port();
    server.models = [{ ...MODEL, contextTokens: 2_048 }];
    server.refuseWork = { status: 400, body: { error } };
    await expect(one.chat({ model: MODEL.name, messages })).rejects.toMatchObject({
      code: 'too_large',
      detail: { promptTokens: 5_009, contextTokens: 2_048 },
    });
  });

  it('is too small for a long text to embed, which is refused and not cut', async () => {
    const embed = (input: string[]) => port().embed({ model: 'embeddinggemma', input });
    expect((await embed(['word '.repeat(1_500)])).embeddings).toHaveLength(1);
    await expect(embed(['short', 'word '.repeat(3_000)])).rejects.toMatchObject({
      code: 'too_large',
      detail: { contextTokens: 2_048 },
    });
    expect(server.requests.at(-1)?.body).toMatchObject({ truncate: false });
  });
});
