import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import type {
  Availability,
  CapabilityApi,
  Intent,
  ModelInfo,
  ProbeApi,
} from '../../src/engine/capability.ts';
import { actions } from '../actions.ts';
import { fail } from '../fail.ts';
import { isJsonObject, stringOf } from '../payload.ts';
import { parseAnalysis } from './answer.ts';
import { answerSchema } from './answer-schema.ts';
import { type Completion, complete, usageOf } from './complete.ts';
import { extract } from './extract.ts';
import { pickModel, servedModels } from './models.ts';
import { contextLimit } from './options.ts';
import { analysisMessages, chatMessages, summaryMessages, visionMessages } from './prompts.ts';

/** As repeatable as a model allows, for work that is not a conversation. */
const STEADY = { temperature: 0, seed: 0 };
/** Vectors of 1,536 numbers that still fit into a result of 1 MiB. */
const MAX_INPUTS = 32;
/** An advertisement has 4 KiB for this. */
const MAX_DETAIL_MODELS = 12;
const MAX_TOOLS = 32;
const MAX_TOOLS_CHARS = 65_536;

/** Models of the node's own model server. The engine binds `api.models` to the intent's signal. */
export const run = actions({
  'ai.chat': chat,
  'ai.summarize': async ({ payload }, api) => {
    const init = { messages: summaryMessages(payload), defaults: STEADY, think: false };
    const { text, facts } = whole(await complete(api, payload, init));
    return { summary: text, ...facts };
  },
  'ai.analyze': async ({ payload }, api) => {
    const init = { messages: analysisMessages(payload), defaults: STEADY, think: false };
    const { text, facts } = whole(await complete(api, payload, init));
    return { ...parseAnalysis(text), ...facts };
  },
  'ai.extract': (intent, api) => extract(intent, api, STEADY),
  'ai.vision': async (intent, api) => {
    const { text, facts, thinking } = await complete(api, intent.payload, {
      messages: visionMessages(intent),
    });
    return { text, ...(thinking !== '' && { thinking }), ...facts };
  },
  'ai.embed': embed,
});

/** On offer is what an installed model can do now. Rejects with what is wrong while the server does not answer. */
export async function probe({ models, config }: Pick<ProbeApi, 'models' | 'config'>): Promise<Availability> {
  const { chat, vision, embed, reason } = servedModels(await models.list(), config);
  return {
    capabilities: [
      ...['ai.chat', 'ai.summarize', 'ai.analyze', 'ai.extract'].flatMap((id) => offer(id, chat)),
      ...offer('ai.vision', vision),
      ...offer('ai.embed', embed),
    ],
    ...(reason !== undefined && { reason }),
  };
}

/** What is cut is said in the result: in a conversation half an answer is worth something. */
async function chat(intent: Intent, api: CapabilityApi): Promise<JsonObject> {
  const { payload } = intent;
  const tools = toolsOf(payload.tools);
  const format = payload.format === undefined ? undefined : answerSchema(payload.format, 'format');
  const init = { messages: chatMessages(intent), ...(tools && { tools }), ...(format && { format }) };
  const { text, thinking, toolCalls, facts } = await complete(api, payload, init);
  const calls = toolCalls.length === 0 ? {} : { toolCalls: toolCalls.map((call) => ({ ...call })) };
  return {
    text,
    message: { role: 'assistant', content: text, ...calls },
    ...calls,
    ...(thinking !== '' && { thinking }),
    ...facts,
  };
}

/** Half a summary says something else than the document. */
function whole(completion: Completion): Completion {
  if (completion.cut !== undefined) throw fail('too_large', completion.cut);
  return completion;
}

async function embed({ payload }: Intent, api: CapabilityApi): Promise<JsonObject> {
  const input = inputsOf(payload.input ?? payload.text);
  const { embed } = servedModels(await api.models.list(), api.config);
  const { name: model } = pickModel(embed, stringOf(payload, 'model'));
  const { embeddings, execution } = await api.models.embed({ model, input, ...contextLimit(api.config) });
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

function toolsOf(value: JsonValue | undefined): JsonObject[] | undefined {
  if (value === undefined) return undefined;
  const tools = Array.isArray(value) ? value.filter(isJsonObject) : [];
  const fit = Array.isArray(value) && tools.length === value.length && tools.length <= MAX_TOOLS;
  if (!fit || JSON.stringify(tools).length > MAX_TOOLS_CHARS) {
    throw fail('invalid_payload', `"tools" is a list of at most ${MAX_TOOLS} functions.`);
  }
  return tools.length === 0 ? undefined : tools;
}

/** By the model that is used where none is named. */
function offer(id: string, models: readonly ModelInfo[]): Availability['capabilities'] {
  const [first] = models;
  return first === undefined ? [] : [{ id, detail: detail(models), maxConcurrent: first.parallel }];
}

function detail(models: readonly ModelInfo[]): JsonObject {
  return {
    models: models
      .slice(0, MAX_DETAIL_MODELS)
      .map(({ name, digest, quantization }) => ({ name, digest, quantization })),
  };
}
