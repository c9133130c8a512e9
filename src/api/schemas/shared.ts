import { type TSchema, Type } from 'typebox';
import type { Capsule, NextStep } from '../../../protocols/capsule/v1/schema.ts';
import { ERROR_CODES, type ErrorBody as ErrorBodyType } from '../../../protocols/common/v1/errors.ts';
import type { Receipt } from '../../../protocols/receipt/v1/schema.ts';

/*
 * Documents of the protocol appear in the API's description once, by name. Responses are written by the type
 * checker's leave and not checked again at run time, so a reference may stand for the type that it names.
 */
export const named = <T>(name: string) => Type.Unsafe<T>({ $ref: `${name}#` });

export const CapsuleRef = named<Capsule>('Capsule');
export const NextStepRef = named<NextStep>('NextStep');
export const ReceiptRef = named<Receipt>('Receipt');
export const ErrorRef = named<ErrorBodyType>('Error');

export const ErrorBody = Type.Object(
  {
    code: Type.Enum(Object.keys(ERROR_CODES)),
    message: Type.String({ description: 'One sentence that a person can act on.' }),
    detail: Type.Optional(Type.Unknown({ description: 'What a program may want to know.' })),
  },
  { description: 'Every refusal, whatever refused.' },
);

/** Pages of lists: most entries in one answer, and how many where the caller does not say. */
export const PAGE = { limit: 500, defaultLimit: 50, cursorChars: 256 } as const;

const pagingBy = (defaultLimit: number) => ({
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: PAGE.limit,
      description: `At most so many; default ${defaultLimit}.`,
    }),
  ),
  cursor: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: PAGE.cursorChars,
      description: 'The `cursor` of the page before.',
    }),
  ),
});
export const paging = pagingBy(PAGE.defaultLimit);
/** For lists that are in memory, and short as a rule. */
export const slicing = pagingBy(PAGE.limit);

export const page = <T extends TSchema>(item: T) =>
  Type.Object({
    items: Type.Array(item),
    cursor: Type.Union([Type.String(), Type.Null()], { description: 'Null on the last page.' }),
  });

export const list = <T extends TSchema>(item: T) => Type.Object({ items: Type.Array(item) });

/** What every route may answer beside its own. */
export const refusals = { default: { ...ErrorRef, description: 'Refused.' } };

/** Extends a schema with the sentence that OpenAPI wants for a response. */
export const described = <T extends TSchema>(description: string, schema: T): T => ({
  ...schema,
  description,
});
