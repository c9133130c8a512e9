import { MeshError } from '../../lib/errors.ts';
import type { ChatMessage } from '../capability.ts';
import type { InstalledModel, OllamaInventory } from './inventory.ts';
import { countIn, memberOf, Refusal } from './server.ts';

/** Tokens of context that Ollama gives every model at least, unless its file or a request says otherwise. */
const USUAL_CONTEXT = 4_096;
/** UTF-8 bytes that a token stands for, guessed low: only for how much to ask for, never for a refusal. */
const BYTES_PER_TOKEN = 3;
/** Of a message's frame in the template. */
const TOKENS_PER_MESSAGE = 16;
/** Of an image, in the models that see. */
const TOKENS_PER_IMAGE = 512;
/** How servers say that a text is too long for them. */
const TOO_LONG =
  /exceed\w*\b.{0,40}\bcontext|context\b.{0,40}\bexceed|context (?:size|length|window).{0,20}(?:too|larger)|too long/i;

export interface ContextNeed {
  /** About so many tokens. */
  prompt: number;
  answer: number;
  /** That may be asked for at most, by the operator. */
  most: number | undefined;
}

export function promptTokensOf(messages: readonly ChatMessage[]): number {
  return messages.reduce((sum, { content, images = [], toolCalls }) => {
    const bytes =
      Buffer.byteLength(content) + (toolCalls === undefined ? 0 : JSON.stringify(toolCalls).length);
    return sum + Math.ceil(bytes / BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE + images.length * TOKENS_PER_IMAGE;
  }, 0);
}

/**
 * The context (`num_ctx`) to ask of Ollama for. Another one than the model is loaded with makes it load anew, for everybody
 * who uses it, so it is named only where the text needs more.
 */
export class OllamaContext {
  readonly #inventory: OllamaInventory;
  /** What this node asked for last, by model: while the model is loaded with it, not naming it would load it anew. */
  readonly #raised = new Map<string, number>();

  constructor(inventory: OllamaInventory) {
    this.#inventory = inventory;
  }

  /** Undefined where the model's usual one does. */
  async choose(model: InstalledModel, need: ContextNeed, signal: AbortSignal): Promise<number | undefined> {
    const usual = Math.min(
      model.usualContext ?? USUAL_CONTEXT,
      model.contextTokens ?? Number.POSITIVE_INFINITY,
    );
    const tokens = need.prompt + need.answer;
    const raised = this.#raised.get(model.name);
    if (tokens <= usual && raised === undefined) return undefined;
    const loaded = await this.#inventory.loadedContext(model.name, signal).catch(() => undefined);
    if (loaded !== raised) this.#raised.delete(model.name);
    if (loaded !== undefined && tokens <= loaded) return loaded === raised ? raised : undefined;
    if (tokens <= usual) return undefined;
    return this.#raise(model, tokens, need.most, Math.max(usual, loaded ?? 0));
  }

  /** The next larger one after a refusal; undefined where there is none. `tokens` is what the server said the prompt has. */
  larger(
    model: InstalledModel,
    need: ContextNeed,
    asked: number | undefined,
    tokens: number | null,
  ): number | undefined {
    // No text has more tokens than bytes.
    const wanted = (tokens ?? need.prompt * BYTES_PER_TOKEN) + need.answer;
    return this.#raise(model, wanted, need.most, asked ?? model.usualContext ?? 0);
  }

  /** Powers of two, so that the model need not be loaded anew for each length. */
  #raise(
    { name, contextTokens }: InstalledModel,
    tokens: number,
    most: number | undefined,
    above: number,
  ): number | undefined {
    const limit = Math.min(contextTokens ?? Number.POSITIVE_INFINITY, most ?? Number.POSITIVE_INFINITY);
    const chosen = Math.min(limit, 2 ** Math.ceil(Math.log2(tokens)));
    if (chosen <= above || !Number.isFinite(chosen)) return undefined;
    this.#raised.set(name, chosen);
    return chosen;
  }
}

/** Whether a refusal says that the text is too long. */
export function isTooLong(error: unknown): error is Refusal {
  return error instanceof Refusal && TOO_LONG.test(error.words);
}

/** Tokens of the refused text, where the server counted them. */
export function refusedTokens({ body, words }: Refusal): number | null {
  const counted = countIn(memberOf(body, 'error'), 'n_prompt_tokens') ?? countIn(body, 'n_prompt_tokens');
  const told = /(\d{2,9})\s+tokens/.exec(words)?.[1];
  return counted ?? (told === undefined ? null : Number(told));
}

/** `too_large` with the numbers: a text of `about` tokens, or as many as the server counted. */
export function tooLong(
  refusal: Refusal,
  { name, contextTokens }: InstalledModel,
  about: number,
  limit: number | undefined,
): MeshError {
  const counted = refusedTokens(refusal);
  const most = Math.min(contextTokens ?? Number.POSITIVE_INFINITY, limit ?? Number.POSITIVE_INFINITY);
  const reads = Number.isFinite(most) ? `${most} tokens` : 'less';
  const size = counted === null ? `about ${about}` : String(counted);
  return new MeshError(
    'too_large',
    `The text has ${size} tokens; the model ${name} reads ${reads} at most here, its answer included.`,
    {
      ...(counted === null ? { aboutTokens: about } : { promptTokens: counted }),
      ...(Number.isFinite(most) && { contextTokens: most }),
      reason: refusal.words.slice(0, 1_000).toWellFormed(),
    },
  );
}
