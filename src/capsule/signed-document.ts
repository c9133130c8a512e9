import type { Static, TSchema } from 'typebox';
import type { ErrorCode } from '../../protocols/common/v1/errors.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { checkOf } from '../lib/check.ts';
import { describeProblem, jsonProblem } from '../lib/json.ts';
import { type Refused, refuse } from './outcome.ts';

export interface DocumentOptions {
  /** The structure has already been checked, as `parseExchangeMessage` does: do not check it twice. */
  schemaChecked?: boolean;
}

/** Checks the structure of one kind of signed document: closed, plain JSON of bounded depth. */
export function structureCheck<S extends TSchema>(
  schema: S,
  name: string,
  code: ErrorCode,
): (value: unknown, options?: DocumentOptions) => { ok: true; document: Static<S> } | Refused {
  const check = checkOf(schema);
  const accepts = (value: unknown, options: DocumentOptions): value is Static<S> =>
    options.schemaChecked === true || check.accepts(value);
  return (value, options = {}) => {
    const problem = jsonProblem(value, LIMITS.jsonDepth);
    if (problem !== null) return refuse(code, describeProblem(`The ${name}`, problem));
    if (!accepts(value, options)) return refuse(code, `The ${name} is not valid: ${check.explain(value)}.`);
    return { ok: true, document: value };
  };
}
