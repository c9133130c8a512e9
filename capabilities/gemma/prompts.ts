import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { isUntrusted } from '../../src/capsule/intent.ts';
import type { ChatMessage, Intent } from '../../src/engine/capability.ts';
import { fail } from '../fail.ts';
import { isJsonObject, stringOf } from '../payload.ts';
import { QUOTING_RULE, quoted } from './quote.ts';

const ROLES: ReadonlySet<string> = new Set(['system', 'user', 'assistant']);

/** A conversation, or one message; what came from another step's result is quoted and never speaks as the system. */
export function chatMessages({ payload, untrusted }: Intent): ChatMessage[] {
  const given = payload.messages ?? [{ role: 'user', content: payload.text ?? '' }];
  const base = payload.messages === undefined ? undefined : 'messages';
  if (!Array.isArray(given) || given.length === 0)
    throw fail('invalid_payload', '"messages" must not be empty.');
  let anyQuoted = false;
  const messages = given.map((message, index): ChatMessage => {
    const { role, content } = checkMessage(isJsonObject(message) ? message : {});
    const path = base === undefined ? undefined : `${base}.${index}`;
    const foreign = isUntrusted(untrusted, path === undefined ? 'text' : `${path}.content`);
    const foreignRole = path !== undefined && isUntrusted(untrusted, `${path}.role`);
    anyQuoted ||= foreign;
    return { role: foreign || foreignRole ? 'user' : role, content: foreign ? quoted(content) : content };
  });
  return anyQuoted ? [{ role: 'system', content: QUOTING_RULE }, ...messages] : messages;
}

/** The text of `ai.summarize` and `ai.analyze` is always material, whoever sent it. */
export function summaryMessages(payload: JsonObject): ChatMessage[] {
  return task(
    'You summarise documents. Write the summary only, in plain prose of at most five sentences, in the language of ' +
      'the document. State nothing that the document does not say.',
    material(payload),
  );
}

export function analysisMessages(payload: JsonObject): ChatMessage[] {
  return task(
    'You analyse documents. Answer in Markdown with exactly these three sections: "## Summary" with at most four ' +
      'sentences, "## Key points" with a bulleted list of at most eight, "## Keywords" with one line of at most ' +
      'twelve, separated by commas. State nothing that the document does not say.',
    material(payload),
  );
}

function task(instruction: string, content: string): ChatMessage[] {
  return [
    { role: 'system', content: `${instruction}\n\n${QUOTING_RULE}` },
    { role: 'user', content: quoted(content) },
  ];
}

/** `text`, or the result of another step as `analysis`. */
function material(payload: JsonObject): string {
  const text = stringOf(payload, 'text');
  if (text !== undefined) return text;
  const { analysis } = payload;
  if (analysis === undefined) throw fail('invalid_payload', 'One of "text" and "analysis" must be given.');
  return typeof analysis === 'string' ? analysis : JSON.stringify(analysis, null, 2);
}

function checkMessage({ role, content }: JsonObject): ChatMessage {
  if (isRole(role) && typeof content === 'string') return { role, content };
  throw fail('invalid_payload', 'A message has a role (system, user or assistant) and a content.');
}

function isRole(role: unknown): role is ChatMessage['role'] {
  return typeof role === 'string' && ROLES.has(role);
}
