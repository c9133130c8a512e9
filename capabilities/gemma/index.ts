import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import type { ModelExecution } from '../../protocols/receipt/v1/schema.ts';
import type {
  Availability,
  CapabilityApi,
  ChatMessage,
  Intent,
  ModelInfo,
  ProbeApi,
} from '../../src/engine/capability.ts';
import { actions } from '../actions.ts';
import { fail } from '../fail.ts';
import { stringOf } from '../payload.ts';
import { parseAnalysis } from './answer.ts';
import { pickModel, servedModels } from './models.ts';
import { modelOptions, withContext } from './options.ts';
import { analysisMessages, chatMessages, summaryMessages } from './prompts.ts';

/** As repeatable as a model allows, for work that is not a conversation. */
const STEADY = { temperature: 0, seed: 0 };
/** Vectors of 1,536 numbers that still fit into a result of 1 MiB. */
const MAX_INPUTS = 32;
/** An advertisement has 4 KiB for this. */
const MAX_DETAIL_MODELS = 12;

/** Gemma through the node's Ollama server. The engine binds `api.models` to the intent's signal. */
export const run = actions({
  'ai.chat': async (intent, api) => {
    const { text, ...rest } = await complete(api, intent, chatMessages(intent));
    return { text, message: { role: 'assistant', content: text }, ...rest };
  },
  'ai.summarize': async (intent, api) => {
    const { text, ...rest } = await complete(api, intent, summaryMessages(intent.payload), STEADY);
    return { summary: text, ...rest };
  },
  'ai.analyze': async (intent, api) => {
    const { text, ...rest } = await complete(api, intent, analysisMessages(intent.payload), STEADY);
    return { ...parseAnalysis(text), ...rest };
  },
  'ai.embed': embed,
});

/** On offer is what an installed model can do now. Rejects with what is wrong while the server does not answer. */
export async function probe({ models, config }: Pick<ProbeApi, 'models' | 'config'>): Promise<Availability> {
  const { chat, embed } = servedModels(await models.list(), config);
  return {
    capabilities: [
      ...(chat.length === 0
        ? []
        : ['ai.chat', 'ai.summarize', 'ai.analyze'].map((id) => ({ id, detail: detail(chat) }))),
      ...(embed.length === 0 ? [] : [{ id: 'ai.embed', detail: detail(embed) }]),
    ],
  };
}

async function complete(
  api: CapabilityApi,
  { payload }: Intent,
  messages: ChatMessage[],
  defaults?: JsonObject,
): Promise<{ text: string; model: string; usage: JsonObject }> {
  const options = withContext(modelOptions(payload, defaults), messages, api.config);
  const { chat } = servedModels(await api.models.list(), api.config);
  const model = pickModel(chat, stringOf(payload, 'model'));
  const answer = await api.models.chat({ model, messages, options }, (delta) => api.progress({ delta }));
  api.recordExecution(answer.execution);
  const text = answer.text.trim();
  if (text === '') throw fail('model_unavailable', `The model ${model} gave an empty answer.`);
  return { text, model, usage: usageOf(answer.execution) };
}

async function embed({ payload }: Intent, api: CapabilityApi): Promise<JsonObject> {
  const input = inputsOf(payload.input ?? payload.text);
  const { embed } = servedModels(await api.models.list(), api.config);
  const model = pickModel(embed, stringOf(payload, 'model'));
  const { embeddings, execution } = await api.models.embed({ model, input });
  api.recordExecution(execution);
  if (embeddings.length !== input.length) {
    throw fail(
      'model_unavailable',
      `The model ${model} gave ${embeddings.length} vectors for ${input.length} texts.`,
    );
  }
  return { embeddings, dimensions: embeddings[0]?.length ?? 0, model, usage: usageOf(execution) };
}

function inputsOf(value: JsonValue | undefined): string[] {
  const inputs = (Array.isArray(value) ? value : [value]).filter((item) => typeof item === 'string');
  const expected = Array.isArray(value) ? value.length : 1;
  if (inputs.length === 0 || inputs.length !== expected || inputs.length > MAX_INPUTS) {
    throw fail('invalid_payload', `"input" must be a text or a list of 1 to ${MAX_INPUTS} texts.`);
  }
  return inputs;
}

function detail(models: readonly ModelInfo[]): JsonObject {
  return {
    models: models
      .slice(0, MAX_DETAIL_MODELS)
      .map(({ name, digest, quantization }) => ({ name, digest, quantization })),
  };
}

function usageOf({ promptTokens, completionTokens }: ModelExecution): JsonObject {
  return { promptTokens, completionTokens };
}
