import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { innerPayload } from '../capsule/intent.ts';

/** Models of one offer by which it can be found; an offer's detail has no room for many more. */
export const MAX_MODELS_PER_OFFER = 32;
/** As long as the name of a model may be in a payload of `ai.*`. */
const MAX_MODEL_CHARS = 256;

/** Whether callers choose by model too: the capabilities `ai.*` only. */
function choosesByModel(capabilityId: string): boolean {
  return capabilityId.startsWith('ai.');
}

/** The name with its tag: where there is none, Ollama means `latest`. A registry's port is no tag. */
function withTag(name: string): string {
  return name.includes(':', name.lastIndexOf('/') + 1) ? name : `${name}:latest`;
}

function isModelName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_MODEL_CHARS;
}

/** The model that a capsule's payload names, with its tag; undefined where the executor may choose one. */
export function wantedModel(capabilityId: string, payload: JsonObject): string | undefined {
  if (!choosesByModel(capabilityId)) return undefined;
  const { model } = innerPayload(payload);
  return isModelName(model) ? withTag(model) : undefined;
}

/**
 * The models that an offer's detail lists, with their tags: `models` is a list of names, or of objects with a `name`.
 * Undefined where it lists none, and so may have any.
 */
export function offeredModels(
  capabilityId: string,
  detail: Readonly<Record<string, unknown>> | undefined,
): readonly string[] | undefined {
  const models = detail?.models;
  if (!choosesByModel(capabilityId) || !Array.isArray(models)) return undefined;
  const names = models.slice(0, MAX_MODELS_PER_OFFER).map(nameOf).filter(isModelName).map(withTag);
  return [...new Set(names)];
}

function nameOf(model: unknown): unknown {
  return typeof model === 'object' && model !== null && 'name' in model ? model.name : model;
}
