import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import type { ModelExecution } from '../../../protocols/receipt/v1/schema.ts';
import { MeshError } from '../../lib/errors.ts';
import { cutText } from '../../lib/text.ts';
import type { ModelInfo, OnDelta } from '../capability.ts';

/** Characters of one answer, thoughts included: a result may have 1 MiB, and a model that repeats itself never stops. */
const MAX_TEXT_CHARS = 1_048_576;
/** Characters of the server's word for how an answer ended; a receipt has room for so many. */
const MAX_ENDED_CHARS = 64;

/** An answer as it comes. Throws `too_large` beyond what any may have. */
export class AnswerText {
  readonly texts = { text: '', thinking: '' };
  readonly #onDelta: OnDelta;

  constructor(onDelta: OnDelta) {
    this.#onDelta = onDelta;
  }

  think(delta: string): void {
    this.#add('thinking', delta);
  }

  say(delta: string): void {
    this.#add('text', delta);
  }

  #add(to: 'text' | 'thinking', delta: string): void {
    if (delta === '') return;
    this.texts[to] += delta;
    if (this.texts.text.length + this.texts.thinking.length > MAX_TEXT_CHARS) {
      throw new MeshError('too_large', `The model's answer has more than ${MAX_TEXT_CHARS} characters.`);
    }
    this.#onDelta(delta, to === 'thinking');
  }
}

export function endOf(word: string): string | null {
  return word === '' ? null : cutText(word, MAX_ENDED_CHARS);
}

/** What ran, for the receipt. */
export function executionOf(
  { name, digest, quantization }: Pick<ModelInfo, 'name' | 'digest' | 'quantization'>,
  options: JsonObject,
  usage: Pick<ModelExecution, 'promptTokens' | 'completionTokens' | 'ended'>,
): ModelExecution {
  const { seed } = options;
  return {
    model: name,
    digest,
    quantization,
    options,
    seed: typeof seed === 'number' && Number.isSafeInteger(seed) ? seed : null,
    ...usage,
  };
}
