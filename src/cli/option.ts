import { Argument, Option } from 'commander';
import type { MeshClient } from '../client/client.ts';

/** An option before it has its name, which is its key in an `OptionSet`: `maxBytes` becomes `--max-bytes`. */
export type Opt<T> = ((name: string) => Option) & { readonly value?: T };
export type OptionSet = Readonly<Record<string, Opt<unknown>>>;
/** What a command is given for them. */
export type Values<S extends OptionSet> = {
  -readonly [Name in keyof S]: S[Name] extends Opt<infer T> ? T : never;
};

type Parse<T> = (text: string, before: T | undefined) => T;

/** `option('<file>', …)`, and what makes a value of its text; as it was typed without that. Throws `InvalidArgumentError`. */
export function option(placeholder: string, about: string): Opt<string | undefined>;
export function option<T>(placeholder: string, about: string, parse: Parse<T>): Opt<T | undefined>;
export function option<T>(placeholder: string, about: string, parse?: Parse<T>): Opt<unknown> {
  return (name) => {
    const made = new Option(`--${name} ${placeholder}`, about);
    return parse === undefined ? made : made.argParser<T>((text, before) => parse(text, before));
  };
}

export const flag =
  (about: string): Opt<boolean | undefined> =>
  (name) =>
    new Option(`--${name}`, about);

/** `--no-name`; true unless it is there. */
export const negation =
  (about: string): Opt<boolean> =>
  (name) =>
    new Option(`--no-${name}`, about);

export const choice =
  <const T extends string>(placeholder: string, about: string, values: readonly T[]): Opt<T | undefined> =>
  (name) =>
    new Option(`--${name} ${placeholder}`, about).choices(values);

/** May be given several times. */
export const several = (placeholder: string, about: string): Opt<string[] | undefined> =>
  option(placeholder, about, (value, before: string[] = []) => [...before, value]);

export const required =
  <T>(opt: Opt<T | undefined>): Opt<T> =>
  (name) =>
    opt(name).makeOptionMandatory();

export const usually =
  <T>(opt: Opt<T | undefined>, fallback: T): Opt<T> =>
  (name) =>
    opt(name).default(fallback);

/** An argument; `whole` makes the whole of a name that a node knows, such as an id, of the part that was typed. */
export interface Arg<T> {
  make(): Argument;
  whole?: ((client: MeshClient, typed: string) => Promise<string>) | undefined;
  readonly value?: T;
}
export type Args = readonly Arg<unknown>[];
export type ArgValues<A extends Args> = { [Place in keyof A]: A[Place] extends Arg<infer T> ? T : never };

export function arg(name: `[${string}`, about: string): Arg<string | undefined>;
export function arg(name: string, about: string): Arg<string>;
export function arg<T>(
  name: string,
  about: string,
  parse: (text: string) => T,
  whole?: Arg<T>['whole'],
): Arg<T>;
export function arg(
  name: string,
  about: string,
  parse?: (text: string) => unknown,
  whole?: Arg<unknown>['whole'],
): Arg<unknown> {
  const make = (): Argument => {
    const made = new Argument(name, about);
    return parse === undefined ? made : made.argParser((text: string) => parse(text));
  };
  return { make, whole };
}

export const argChoice = <const T extends string>(
  name: string,
  about: string,
  values: readonly T[],
): Arg<T> => ({
  make: () => new Argument(name, about).choices(values),
});

/** The same, but it may be left out. */
export const optional = <T>({ make }: Arg<T>): Arg<T | undefined> => ({ make: () => make().argOptional() });
