import { Ollama } from 'ollama';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OllamaDouble } from '../../support/ollama-double.ts';

let double: OllamaDouble;
let client: Ollama;

beforeEach(async () => {
  double = await OllamaDouble.start([{ name: 'gemma3:4b', digest: 'd1' }]);
  client = new Ollama({ host: double.url });
});
afterEach(() => double.stop());

const chat = () =>
  client.chat({ model: 'gemma3:4b', messages: [{ role: 'user', content: 'Hi' }], stream: true });

describe('the double of Ollama, as its own client sees it', () => {
  it('has a version, models and vectors', async () => {
    expect(await client.version()).toEqual({ version: '0.0.0-double' });
    expect((await client.list()).models).toMatchObject([
      { name: 'gemma3:4b', digest: 'd1', details: { quantization_level: 'Q4_K_M' } },
    ]);
    expect((await client.embed({ model: 'gemma3:4b', input: ['a', 'b'] })).embeddings).toHaveLength(2);
  });

  it('streams its tokens and ends', async () => {
    const tokens: string[] = [];
    for await (const part of await chat()) tokens.push(part.message.content);
    expect(tokens).toEqual(['Hello', ' there', '.', '']);
    expect(double.requests.at(-1)).toMatchObject({
      path: '/api/chat',
      body: { model: 'gemma3:4b', stream: true },
    });
  });

  it.each(['cut', 'error'] as const)('stops in mid-stream (%s)', async (ending) => {
    double.script.ending = ending;
    const tokens: string[] = [];
    const reading = (async () => {
      for await (const part of await chat()) tokens.push(part.message.content);
    })();
    await expect(reading).rejects.toThrow();
    expect(tokens).toEqual(['Hello', ' there', '.']);
  });

  it('hangs until it is told to go on', async () => {
    double.script.ending = 'pause';
    const { reached } = double.nextPause();
    const stream = await chat();
    await reached;
    double.resume();
    let parts = 0;
    for await (const _ of stream) parts += 1;
    expect(parts).toBe(4);
  });

  it('notices that its client hangs up', async () => {
    double.script.ending = 'pause';
    const { reached, gone } = double.nextPause();
    const stream = await chat();
    await reached;
    stream.abort();
    await gone;
  });

  it('knows no other model, and refuses when told to', async () => {
    await expect(client.chat({ model: 'gemma3:27b', messages: [] })).rejects.toThrow('not found');
    double.script.refuse = 500;
    await expect(client.list()).rejects.toThrow('refused');
  });
});
