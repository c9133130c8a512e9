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
/** Explaining walks all of a value, and holds a thousand times what checking it does: not for what is larger. */
const MAX_EXPLAINED_VALUES = 5_000;

/** Compiles at first use: a command that validates nothing should not pay for it. */
export function checkOf<S extends TSchema>(schema: S): Check<Static<S>> {
  let compiled: Validator | undefined;
  const validator = (): Validator => {
    compiled ??= Compile(schema);
    return compiled;
  };
  return {
    accepts: (value): value is Static<S> => validator().Check(value),
    explain: (value) =>
      valuesLeft(value, MAX_EXPLAINED_VALUES) > 0
        ? explainErrors(validator().Errors(value)).slice(0, MAX_CLAUSE_CHARS)
        : 'it does not match its schema, and is too large to say where',
  };
}

/** How much of `budget` is left once every value inside was counted; counting ends with the budget. */
function valuesLeft(value: unknown, budget: number): number {
  let left = budget - 1;
  if (typeof value !== 'object' || value === null) return left;
  const members: unknown[] = Array.isArray(value) ? value : Object.values(value);
  if (members.length > left) return 0;
  for (const member of members) left = valuesLeft(member, left);
  return left;
}

const depthOf = (error: SchemaError): number => error.instancePath.split('/').length;

/** Unions report every branch; the errors that got furthest into the value are about the branch that was meant. */
function explainErrors(errors: SchemaError[]): string {
  const told = errors.filter(({ keyword }) => keyword !== 'anyOf' && keyword !== 'boolean');
  const deepest = Math.max(...told.map(depthOf));
  const furthest = told.filter((error) => depthOf(error) === deepest);
  const [first] = furthest;
  if (first === undefined) return 'it does not match its schema';
  const same = furthest.filter((error) => error.instancePath === first.instancePath);
  const field = first.instancePath === '' ? 'it' : quote(first.instancePath.slice(1).replaceAll('/', '.'));
  const beyondKind = same.find(({ keyword }) => keyword !== 'type' && keyword !== 'const');
  return `${field} ${beyondKind === undefined ? `must be ${kinds(same)}` : phrase(beyondKind)}`;
}

function phrase(error: SchemaError): string {
  switch (error.keyword) {
    case 'required':
      return `lacks ${error.params.requiredProperties.map(quote).join(', ')}`;
    case 'additionalProperties':
      return `has the unknown field ${quote(error.params.additionalProperties[0] ?? '')}`;
    default:
      return error.message;
  }
}

/** `"a" or "b"`, `object or null`: what the branches of a union would have taken. */
function kinds(errors: SchemaError[]): string {
  const values = errors.flatMap((error) =>
    error.keyword === 'const' ? [JSON.stringify(error.params.allowedValue)] : [],
  );
  const types = errors.flatMap((error) => (error.keyword === 'type' ? [String(error.params.type)] : []));
  // A constant's schema names its type too, which says nothing more.
  const named = values.length > 0 ? [...values, ...types.filter((type) => type === 'null')] : types;
  return [...new Set(named)].join(' or ');
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 100));
