import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { ModelInfo } from '../../src/engine/capability.ts';
import { fail } from '../fail.ts';
import { stringOf } from '../payload.ts';

/** What of the installed models this capability serves, the one used by default first. */
export interface Served {
  chat: ModelInfo[];
  /** Those of `chat` that see images. */
  vision: ModelInfo[];
  embed: ModelInfo[];
  /** Why not all is served, in a sentence for the operator. */
  reason?: string;
}

/** Names in a sentence. */
const MAX_NAMES = 8;
const MAX_NAME_CHARS = 100;
const MAX_CONFIGURED = 64;

/**
 * Gemma models by their architecture, whatever they are called, and others that the operator names (`models`, `model`,
 * `embedModel`); what each can do is for the server to say. A default that is configured and not installed leaves nothing
 * served, never another in its place.
 */
export function servedModels(installed: readonly ModelInfo[], config: JsonObject): Served {
  const model = stringOf(config, 'model');
  const embedModel = stringOf(config, 'embedModel');
  const named = [...namesOf(config), ...[model, embedModel].filter((name) => name !== undefined)];
  const mine = [...installed]
    .sort((a, b) => (b.size ?? 0) - (a.size ?? 0) || (a.name < b.name ? -1 : 1))
    .filter((each) => isGemma(each) || named.some((name) => isSame(each.name, name)));
  const chat = preferring(
    model,
    mine.filter((each) => can(each, 'completion')),
  );
  const embed = preferring(
    embedModel,
    mine.filter((each) => can(each, 'embedding') || isSame(each.name, embedModel)),
  );
  const vision = chat.filter((each) => can(each, 'vision'));
  const reason = reasonFor(installed, named, { chat, embed });
  return { chat, vision, embed, ...(reason !== undefined && { reason }) };
}

/** Throws `model_unavailable` for a model that is not served, naming those that are, and when there is none at all. */
export function pickModel(models: readonly ModelInfo[], asked: string | undefined): ModelInfo {
  if (asked === undefined) {
    const [first] = models;
    if (first === undefined) throw fail('model_unavailable', 'This node has no model for that.');
    return first;
  }
  const found = models.find((model) => isSame(model.name, asked));
  if (found !== undefined) return found;
  const others = models.length === 0 ? 'it has none for that' : `it has ${listed(models)}`;
  throw fail('model_unavailable', `This node does not serve the model "${quotedName(asked)}"; ${others}.`);
}

/** What a model can do, in the server's words; servers that do not say it yet name what embeds. */
export function can({ name, families, abilities }: ModelInfo, ability: string): boolean {
  if (abilities !== null) return abilities.includes(ability);
  const embeds = /embed/i.test(name) || families.some((family) => /bert/i.test(family));
  return ability === (embeds ? 'embedding' : 'completion');
}

function reasonFor(
  installed: readonly ModelInfo[],
  named: readonly string[],
  { chat, embed }: Pick<Served, 'chat' | 'embed'>,
): string | undefined {
  if (installed.length === 0) return 'The model server has no models; one comes with: ollama pull gemma3:4b';
  const missing = named.filter((name) => !installed.some((model) => isSame(model.name, name)));
  if (missing.length > 0) {
    const names = missing.slice(0, MAX_NAMES).map(quotedName).join(', ');
    return `Configured and not installed: ${names}. Installed: ${listed(installed)}.`;
  }
  if (chat.length > 0) {
    return embed.length > 0
      ? undefined
      : 'For ai.embed an embedding model is missing, such as embeddinggemma.';
  }
  if (embed.length > 0) return 'A model that answers is missing, such as gemma3:4b.';
  return `None of the installed models is a Gemma: ${listed(installed)}. "models" in settings.gemma names others to offer.`;
}

/** `models` of the settings. */
function namesOf({ models = [] }: JsonObject): string[] {
  const names = Array.isArray(models) ? models.filter((name) => typeof name === 'string') : [];
  if (!Array.isArray(models) || names.length !== models.length || names.length > MAX_CONFIGURED) {
    throw fail(
      'config_invalid',
      `"models" in settings.gemma must be a list of at most ${MAX_CONFIGURED} names.`,
    );
  }
  return names;
}

function listed(models: readonly ModelInfo[]): string {
  const names = models.slice(0, MAX_NAMES).map(({ name }) => quotedName(name));
  const more = models.length - names.length;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}

const quotedName = (name: string): string => name.slice(0, MAX_NAME_CHARS).toWellFormed();

function preferring(name: string | undefined, models: ModelInfo[]): ModelInfo[] {
  if (name === undefined) return models;
  const preferred = models.find((model) => isSame(model.name, name));
  return preferred === undefined ? [] : [preferred, ...models.filter((model) => model !== preferred)];
}

/** By architecture; the name counts where the server says none. */
function isGemma({ name, families }: ModelInfo): boolean {
  if (families.length > 0) return families.some((family) => /^gemma/i.test(family));
  return /gemma/i.test(name.split('/').at(-1) ?? name);
}

/** The server's own rule: a name without a tag means `latest`. */
function isSame(installed: string, asked: string | undefined): boolean {
  if (asked === undefined) return false;
  return installed === asked || installed === `${asked}:latest` || `${installed}:latest` === asked;
}
