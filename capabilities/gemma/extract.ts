import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import { isUntrusted } from '../../src/capsule/intent.ts';
import type { CapabilityApi, ChatMessage, Intent } from '../../src/engine/capability.ts';
import { modelText } from '../../src/lib/untrusted-text.ts';
import { fail } from '../fail.ts';
import { answerSchema } from './answer-schema.ts';
import { type Completion, complete } from './complete.ts';
import { extractionMessages } from './prompts.ts';

type Check = (value: unknown) => string | null;
type Judged = { data: JsonValue } | { problem: string };

/** A document's data in the form of a JSON Schema, checked; one answer that does not fit is sent back once. */
export async function extract(intent: Intent, api: CapabilityApi, defaults: JsonObject): Promise<JsonObject> {
  const { payload, untrusted } = intent;
  if (isUntrusted(untrusted, 'schema')) {
    throw fail('invalid_payload', '"schema" must not come from the result of another step.');
  }
  const schema = answerSchema(payload.schema, 'schema');
  const check = await compiled(schema);
  const messages = extractionMessages(intent, schema);
  const ask = (conversation: ChatMessage[]): Promise<Completion> =>
    complete(api, payload, { messages: conversation, defaults, think: false, format: schema, quiet: true });
  const first = await ask(messages);
  const judged = judge(first, check);
  if ('data' in judged) return { ...judged, attempts: 1, ...first.facts };
  api.progress({ stage: 'correcting' });
  const second = await ask([
    ...messages,
    { role: 'assistant', content: modelText(first.text) },
    {
      role: 'user',
      content: `That does not fit the schema: ${judged.problem}. Answer again, with all of it.`,
    },
  ]);
  const again = judge(second, check);
  if ('data' in again) return { ...again, attempts: 2, ...second.facts };
  throw fail(
    'model_unavailable',
    `The model ${second.facts.model} twice gave no data that fits the schema: ${again.problem}.`,
  );
}

/** What was cut cannot be whole JSON, and would be cut again. */
function judge({ text, cut }: Completion, check: Check): Judged {
  if (cut !== undefined) throw fail('too_large', cut);
  let data: JsonValue;
  try {
    data = JSON.parse(text);
  } catch {
    return { problem: 'it is no JSON' };
  }
  const problem = check(data);
  return problem === null ? { data } : { problem };
}

async function compiled(schema: JsonObject): Promise<Check> {
  // Loaded by those who need it: a validator is larger than all else here.
  const { compileJsonSchema } = await import('../../src/capsule/json-schema.ts');
  try {
    return compileJsonSchema(schema);
  } catch (error) {
    const said = error instanceof Error ? error.message.slice(0, 200).toWellFormed() : 'not a JSON Schema';
    throw fail('invalid_payload', `"schema" is ${said}.`);
  }
}
