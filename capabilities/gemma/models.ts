import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { ModelInfo } from '../../src/engine/capability.ts';
import { fail } from '../fail.ts';
import { stringOf } from '../payload.ts';

/** What of the installed models this capability serves, the one used by default first. */
export interface Served {
  chat: ModelInfo[];
  embed: ModelInfo[];
}

/**
 * Gemma models by name: `gemma3:4b` chats, `embeddinggemma` embeds. The configuration may name the default ones
 * (`model`, `embedModel`); one that is named and not installed leaves nothing served, never another in its place.
 */
export function servedModels(installed: readonly ModelInfo[], config: JsonObject): Served {
  const ranked = [...installed].sort((a, b) => (b.size ?? 0) - (a.size ?? 0) || (a.name < b.name ? -1 : 1));
  return {
    chat: preferring(
      stringOf(config, 'model'),
      ranked.filter((model) => isChatGemma(model.name)),
    ),
    embed: preferring(
      stringOf(config, 'embedModel'),
      ranked.filter(
        (model) => isEmbeddingGemma(model.name) || isSame(model.name, stringOf(config, 'embedModel')),
      ),
    ),
  };
}

/** Throws `model_unavailable` for a model that is not served, and when there is none at all. */
export function pickModel(models: readonly ModelInfo[], asked: string | undefined): string {
  if (asked === undefined) {
    const [first] = models;
    if (first === undefined) throw fail('model_unavailable', 'This node has no Gemma model for that.');
    return first.name;
  }
  const found = models.find((model) => isSame(model.name, asked));
  if (found === undefined) {
    throw fail('model_unavailable', `This node does not serve the model "${asked.slice(0, 100)}".`);
  }
  return found.name;
}

function preferring(name: string | undefined, models: ModelInfo[]): ModelInfo[] {
  if (name === undefined) return models;
  const preferred = models.find((model) => isSame(model.name, name));
  return preferred === undefined ? [] : [preferred, ...models.filter((model) => model !== preferred)];
}

/** The last part of a name such as `hf.co/google/gemma-3-4b-it-gguf:q4`. */
const baseName = (name: string): string => (name.split('/').at(-1) ?? name).toLowerCase();
const isChatGemma = (name: string): boolean => /^gemma/.test(baseName(name));
const isEmbeddingGemma = (name: string): boolean => /^embeddinggemma/.test(baseName(name));

/** The server's own rule: a name without a tag means `latest`. */
function isSame(installed: string, asked: string | undefined): boolean {
  if (asked === undefined) return false;
  return installed === asked || installed === `${asked}:latest` || `${installed}:latest` === asked;
}
