import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { ModelExecution } from '../../protocols/receipt/v1/schema.ts';
import type {
  CapabilityApi,
  ChatMessage,
  ChatRequest,
  ModelInfo,
  Think,
  ToolCall,
} from '../../src/engine/capability.ts';
import { fail } from '../fail.ts';
import { stringOf } from '../payload.ts';
import { can, pickModel, servedModels } from './models.ts';
import { contextLimit, loadOptions, modelOptions } from './options.ts';
import { Thoughts } from './thoughts.ts';

export interface Completion {
  text: string;
  /** Empty where the model told none. */
  thinking: string;
  toolCalls: ToolCall[];
  /** What every result says of it. */
  facts: { model: string; usage: JsonObject; ended: string | null };
  /** Says that the answer is not whole, and why; undefined where it is. */
  cut: string | undefined;
}

export interface CompletionInit {
  messages: ChatMessage[];
  /** Options where the caller names none. */
  defaults?: JsonObject;
  /** Whether it thinks where the caller does not say; the model's own way unless told. */
  think?: Think;
  format?: JsonObject;
  tools?: JsonObject[];
  /** Whether the text is streamed, or only that there is some. */
  quiet?: boolean;
}

/** Pieces of a text that is not streamed, of which one stage tells: whoever waits sees that it goes on. */
const QUIET_DELTAS = 16;

/** Asks a served model, and streams what it says. Throws where there is no answer at all. */
export async function complete(
  api: CapabilityApi,
  payload: JsonObject,
  init: CompletionInit,
): Promise<Completion> {
  const { messages, defaults, format, tools, quiet } = init;
  const options = modelOptions(payload, defaults);
  const load = loadOptions(payload);
  const model = chosen(servedModels(await api.models.list(), api.config), payload, init, load.think);
  const thoughts = new Thoughts(api.progress);
  let deltas = 0;
  const answer = await api.models.chat(
    {
      model: model.name,
      messages,
      options,
      ...contextLimit(api.config),
      ...(init.think !== undefined && { think: init.think }),
      ...load,
      ...(format && { format }),
      ...(tools && { tools }),
    } satisfies ChatRequest,
    (delta, thinking) => {
      if (thinking) return thoughts.add(delta);
      thoughts.end();
      if (quiet !== true) api.progress({ delta });
      else if (deltas++ % QUIET_DELTAS === 0) api.progress({ stage: `writing (${deltas})` });
    },
  );
  const { execution, thinking, toolCalls } = answer;
  api.recordExecution(execution);
  const text = answer.text.trim();
  const cut = cutOf(execution, options.num_predict, text === '' && thinking !== '');
  if (text === '' && toolCalls.length === 0) {
    if (cut !== undefined) throw fail('too_large', cut);
    throw fail('model_unavailable', `The model ${model.name} gave an empty answer.`);
  }
  return {
    text,
    thinking: thinking.trim(),
    toolCalls,
    facts: { model: model.name, usage: usageOf(execution), ended: execution.ended },
    cut,
  };
}

export function usageOf({ promptTokens, completionTokens }: ModelExecution): JsonObject {
  return { promptTokens, completionTokens };
}

/** The model that is asked for, or the first that can do what the request needs. */
function chosen(
  { chat }: { chat: ModelInfo[] },
  payload: JsonObject,
  { messages, tools }: CompletionInit,
  think: Think | undefined,
): ModelInfo {
  const needs = [
    ...(messages.some(({ images = [] }) => images.length > 0) ? [['vision', 'sees no images'] as const] : []),
    ...(tools === undefined ? [] : [['tools', 'knows no tools'] as const]),
    ...(think === undefined || think === false
      ? []
      : [['thinking', 'does not think before it answers'] as const]),
  ];
  const asked = stringOf(payload, 'model');
  const able = chat.filter((model) => needs.every(([ability]) => can(model, ability)));
  const model = asked === undefined && able.length > 0 ? pickModel(able, undefined) : pickModel(chat, asked);
  const lack = needs.find(([ability]) => !can(model, ability));
  if (lack !== undefined) throw fail('invalid_payload', `The model ${model.name} ${lack[1]}.`);
  return model;
}

/** Servers that do not say how an answer ended are judged by its length. */
function cutOf(execution: ModelExecution, allowed: number, thoughtOnly: boolean): string | undefined {
  const { ended, model, promptTokens, completionTokens } = execution;
  const used = completionTokens ?? allowed;
  if (ended === null ? completionTokens === null || completionTokens < allowed : ended !== 'length')
    return undefined;
  if (used < allowed) {
    const all = promptTokens === null ? '' : ` after ${promptTokens} tokens of prompt`;
    return `The context of the model ${model} was full: its answer was cut at ${used} tokens${all}.`;
  }
  return thoughtOnly
    ? `The model ${model} used up all ${used} tokens by thinking; allow more with "num_predict" in options, or say "think": false.`
    : `The answer of the model ${model} was cut at ${used} tokens; allow more with "num_predict" in options.`;
}
