import { describe, expect, it } from 'vitest';
import { OllamaModels } from '../../../src/engine/ollama-models.ts';

const { OLLAMA_HOST } = process.env;
const host =
  OLLAMA_HOST === undefined || /^https?:/.test(OLLAMA_HOST) ? OLLAMA_HOST : `http://${OLLAMA_HOST}`;
const answers =
  host !== undefined &&
  (await fetch(`${host}/api/version`).then(
    (it) => it.ok,
    () => false,
  ));

/** What the stand-in is believed to do, of a real server with any small model; only where `OLLAMA_HOST` answers. */
describe.skipIf(!answers)('a real Ollama server', () => {
  const models = () => new OllamaModels({ host: host ?? '' }).port(new AbortController().signal);
  const smallest = async (ability: string) =>
    (await models().list())
      .filter(({ abilities }) => abilities?.includes(ability))
      .sort((a, b) => (a.size ?? 0) - (b.size ?? 0))[0];
  const messages = [{ role: 'user' as const, content: 'Count from one to a hundred in words.' }];

  it('says what its models can do and how much they read', async () => {
    for (const { abilities, contextTokens, families } of await models().list()) {
      expect(abilities?.length).toBeGreaterThan(0);
      expect(contextTokens).toBeGreaterThan(0);
      expect(families.length).toBeGreaterThan(0);
    }
  });

  it('says that an answer was cut', async (test) => {
    const model = await smallest('completion');
    if (model === undefined) return test.skip();
    const options = { num_predict: 3, temperature: 0, seed: 1 };
    const { execution } = await models().chat({ model: model.name, messages, options, think: false });
    expect(execution).toMatchObject({ ended: 'length', completionTokens: 3 });
  }, 120_000);

  it.each(['completion', 'embedding'])(
    'refuses what does not fit (%s)',
    async (ability) => {
      const model = await smallest(ability);
      if (model?.contextTokens == null) return;
      const content = 'word '.repeat(4_000);
      const limit = { model: model.name, contextTokens: 512 };
      const asked =
        ability === 'completion'
          ? models().chat({ ...limit, messages: [{ role: 'user', content }] })
          : models().embed({ ...limit, input: [content] });
      await expect(asked).rejects.toMatchObject({ code: 'too_large' });
    },
    120_000,
  );
});
