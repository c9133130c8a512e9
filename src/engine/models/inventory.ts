import { cutText } from '../../lib/text.ts';
import type { ModelInfo } from '../capability.ts';
import { countIn, listIn, type ModelServer, memberOf, textIn } from './server.ts';

/** Models that are looked at; a server may have any number. */
const MAX_MODELS = 256;
/** As a payload and a receipt may name them. */
const MAX_NAME_CHARS = 256;
const MAX_WORD_CHARS = 64;
const MAX_DIGEST_CHARS = 128;
const MAX_WORDS = 16;

/** What one model is, in more words than the list has. */
interface Shown {
  abilities: string[] | null;
  contextTokens: number | null;
  /** That the model's own file asks for. */
  usualContext: number | null;
}

const NOTHING: Shown = Object.freeze({ abilities: null, contextTokens: null, usualContext: null });

export interface InstalledModel extends Omit<ModelInfo, 'parallel'> {
  usualContext: number | null;
}

/** What an Ollama server has: `/api/tags`, and `/api/show` once for each model's weights. */
export class OllamaInventory {
  readonly #server: ModelServer;
  /** By name and digest; what is no longer installed is dropped. */
  #shown = new Map<string, Shown>();

  constructor(server: ModelServer) {
    this.#server = server;
  }

  async list(signal: AbortSignal): Promise<InstalledModel[]> {
    const answer = await this.#server.ask('api/tags', signal);
    const shown = new Map<string, Shown>();
    const models: InstalledModel[] = [];
    for (const tag of listIn(answer, 'models').slice(0, MAX_MODELS)) {
      const name = textIn(tag, 'name') || textIn(tag, 'model');
      if (name === '' || name.length > MAX_NAME_CHARS) continue;
      const digest = cutText(textIn(tag, 'digest'), MAX_DIGEST_CHARS) || null;
      const key = `${name}\n${digest}`;
      const known = this.#shown.get(key) ?? (await this.#show(name, signal));
      if (known !== NOTHING) shown.set(key, known);
      const details = memberOf(tag, 'details');
      const families = [textIn(details, 'family'), ...wordsIn(details, 'families')].filter(Boolean);
      models.push({
        name,
        digest,
        quantization: cutText(textIn(details, 'quantization_level'), MAX_WORD_CHARS) || null,
        size: countIn(tag, 'size'),
        families: [...new Set(families)].slice(0, MAX_WORDS),
        ...known,
        abilities:
          known.abilities ??
          (Array.isArray(memberOf(tag, 'capabilities')) ? wordsIn(tag, 'capabilities') : null),
      });
    }
    this.#shown = shown;
    return models;
  }

  /** Under the server's own rule: a name without a tag means `latest`. */
  async find(model: string, signal: AbortSignal): Promise<InstalledModel | undefined> {
    return (await this.list(signal)).find(({ name }) => name === model || name === `${model}:latest`);
  }

  /** Tokens of context with which a model is loaded now. */
  async loadedContext(model: string, signal: AbortSignal): Promise<number | undefined> {
    const answer = await this.#server.ask('api/ps', signal);
    const loaded = listIn(answer, 'models').find(
      (each) => (textIn(each, 'name') || textIn(each, 'model')) === model,
    );
    return countIn(loaded, 'context_length') ?? undefined;
  }

  async #show(model: string, signal: AbortSignal): Promise<Shown> {
    // A model that cannot be looked at, as while it is being removed, does not take the others along.
    const answer = await this.#server.ask('api/show', signal, { model, name: model }).catch(() => NOTHING);
    if (answer === NOTHING) return NOTHING;
    const info = memberOf(answer, 'model_info');
    const architecture = textIn(info, 'general.architecture');
    const asked = /^num_ctx\s+"?(\d{1,9})"?\s*$/m.exec(textIn(answer, 'parameters'))?.[1];
    return {
      abilities: Array.isArray(memberOf(answer, 'capabilities')) ? wordsIn(answer, 'capabilities') : null,
      contextTokens: countIn(info, `${architecture}.context_length`) || null,
      usualContext: asked === undefined ? null : Number(asked),
    };
  }
}

function wordsIn(value: unknown, name: string): string[] {
  const words = listIn(value, name).filter((word): word is string => typeof word === 'string');
  return words.slice(0, MAX_WORDS).map((word) => cutText(word, MAX_WORD_CHARS));
}
