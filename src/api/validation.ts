import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { checkOf } from '../lib/check.ts';
import { MeshError } from '../lib/errors.ts';
import { parseJson } from '../lib/json.ts';

/** Deeper than any capsule, so that the capsule's own check is the one to say so. */
const BODY_DEPTH = 128;

const PARTS: Record<string, string> = {
  body: 'body',
  querystring: 'query',
  params: 'path',
  headers: 'headers',
};

/** Checks a request against the route's schema; the refusal is `invalid_request` and names the field. */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = checkOf(schema);
  const part = PARTS[httpPart ?? 'body'] ?? 'request';
  return (value) => {
    // What stands in a URL is text; JSON has types of its own.
    const typed = httpPart === 'body' ? value : Value.Convert(schema, value);
    if (check.accepts(typed)) return { value: typed };
    return { error: new MeshError('invalid_request', `The ${part} is not valid: ${check.explain(typed)}.`) };
  };
};

/** Parses a JSON body; throws `invalid_json` or `too_large`. */
export function parseBody(bytes: Buffer, maxBytes: number): unknown {
  return parseJson(bytes, { maxBytes, maxDepth: BODY_DEPTH });
}
