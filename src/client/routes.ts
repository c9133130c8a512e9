import type { Static, TSchema } from 'typebox';
import type { Contract } from '../api/contract/index.ts';

/*
 * Types of requests and answers, from the schemas with which the node validates and describes them. Nothing of a schema
 * is loaded at run time.
 */

type Responses<R extends Route> = Contract[R]['response'];
type Success = 200 | 201 | 202;
/** Of a schema, what it describes; of an answer that is no JSON, its bytes. */
type Body<S> = S extends { content: unknown } ? Uint8Array : S extends TSchema ? Static<S> : never;
type Part<R extends Route, Name extends string> =
  Contract[R] extends Record<Name, infer S extends TSchema> ? Static<S> : undefined;

/** `GET /api/capsules/:id`, and so on. */
export type Route = keyof Contract;

/** What a route answers; where it answers in several ways, any of them. */
export type Answer<R extends Route> = {
  [S in keyof Responses<R>]: S extends Success ? Body<Responses<R>[S]> : never;
}[keyof Responses<R>];

type Optional<Members> = { [Name in keyof Members]?: Members[Name] | undefined };
export type Query<R extends Route> = Optional<Part<R, 'querystring'>>;

/** What a request needs: the `:names` of its path, its body. */
export type Input<R extends Route> = (Contract[R] extends { params: TSchema }
  ? { params: Part<R, 'params'> }
  : unknown) &
  (Contract[R] extends { querystring: TSchema } ? { query?: Query<R> | undefined } : unknown) &
  (Contract[R] extends { body: TSchema } ? { body: Part<R, 'body'> } : unknown);

/** Routes that answer one page of a list. */
export type ListRoute = {
  [R in Route]: Answer<R> extends { items: unknown[]; cursor: string | null } ? R : never;
}[Route];
export type Item<R extends ListRoute> = Answer<R> extends { items: (infer T)[] } ? T : never;
