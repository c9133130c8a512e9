import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';

/** A schema's compiled check. Both methods expect JSON data of bounded depth (`jsonProblem`). */
export interface Check<T> {
  accepts(value: unknown): value is T;
  /** What is wrong, as a clause: `"paymentRule.amount" must be > 0`. Only for values that were not accepted. */
  explain(value: unknown): string;
}

type SchemaError = ReturnType<Validator['Errors']>[number];

const MAX_CLAUSE_CHARS = 300;

/** Compiles at first use: a command that validates nothing should not pay for it. */
export function checkOf<S extends TSchema>(schema: S): Check<Static<S>> {
  let compiled: Validator | undefined;
  const validator = (): Validator => {
    compiled ??= Compile(schema);
    return compiled;
  };
  return {
    accepts: (value): value is Static<S> => validator().Check(value),
    explain: (value) => explainErrors(validator().Errors(value)).slice(0, MAX_CLAUSE_CHARS),
  };
}

const depthOf = (error: SchemaError): number => error.instancePath.split('/').length;

/** Unions report every branch; the error that got furthest into the value is the one meant. */
function explainErrors(errors: SchemaError[]): string {
  const told = errors.filter((error) => error.keyword !== 'boolean');
  const deepest = told.reduce<SchemaError | undefined>(
    (best, error) => (best === undefined || depthOf(error) > depthOf(best) ? error : best),
    undefined,
  );
  if (deepest === undefined) return 'it does not match its schema';
  const field = fieldName(deepest.instancePath);
  const same = told.filter((error) => error.instancePath === deepest.instancePath);
  if (deepest.keyword === 'additionalProperties')
    return `${field} has the unknown field ${unknownField(deepest)}`;
  if (same.some((error) => error.keyword === 'anyOf')) return `${field} must be ${alternatives(same)}`;
  return `${field} ${deepest.message}`;
}

function fieldName(instancePath: string): string {
  return instancePath === '' ? 'it' : JSON.stringify(instancePath.slice(1).replaceAll('/', '.'));
}

function unknownField(error: SchemaError): string {
  return error.keyword === 'additionalProperties'
    ? JSON.stringify(error.params.additionalProperties[0] ?? '')
    : '';
}

/** `one of "a", "b"` or `object or null`, from the errors of a union's branches. */
function alternatives(errors: SchemaError[]): string {
  const names = errors.flatMap((error) => {
    if (error.keyword === 'const') return [JSON.stringify(error.params.allowedValue)];
    if (error.keyword === 'type') return [String(error.params.type)];
    if (error.keyword === 'anyOf') return [];
    return [error.message.replace(/^must /, '')];
  });
  return [...new Set(names)].join(' or ');
}
