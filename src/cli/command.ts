import type { Command } from 'commander';
import type { MeshClient } from '../client/client.ts';
import type { Item, ListRoute, Query } from '../client/routes.ts';
import type { Cli } from './cli.ts';
import { EXIT } from './failure.ts';
import { type Columns, furtherPages, type Layout, table } from './format.ts';
import type { Args, ArgValues, OptionSet, Values } from './option.ts';
import { NODE, type NodeOptions, PAGES } from './options.ts';
import { findNode } from './target.ts';

/** Puts a command under another one. */
export type Attach = (parent: Command, cli: Cli) => Command;

interface Spec<S extends OptionSet, A extends Args> {
  name: string;
  about: string;
  args?: A;
  options?: S;
  /** Further lines of its help. */
  notes?: string;
  /** Every command's help ends with one. */
  examples: readonly string[];
  /** Of its group: what runs where none is named. */
  isDefault?: boolean;
}

/**
 * A command, whole: its name, arguments, options, help, and what it does. What takes a while to load, `run` imports when it is called:
 * help and completion should not wait for it.
 */
export function command<S extends OptionSet = Record<never, never>, const A extends Args = []>(
  spec: Spec<S, A> & { run(cli: Cli, options: Values<S>, ...args: ArgValues<A>): void | Promise<void> },
): Attach {
  return attaching(spec, spec.options ?? {}, [], (cli, made, typed) =>
    spec.run(cli, made.optsWithGlobals<Values<S>>(), ...(typed as ArgValues<A>)),
  );
}

/** A command that asks a node one thing and prints the answer, for a person or as JSON. */
export function query<T, S extends OptionSet = Record<never, never>, const A extends Args = []>(
  spec: Spec<S, A> & {
    ask(client: MeshClient, options: Values<S>, ...args: ArgValues<A>): Promise<T>;
    show(answer: NoInfer<T>, layout: Layout): string;
    /** Whether the answer is that something is wrong. */
    fails?(answer: NoInfer<T>): boolean;
  },
  within: readonly Attach[] = [],
): Attach {
  return attaching(spec, { ...spec.options, ...NODE }, within, async (cli, made, typed) => {
    const options = made.optsWithGlobals<Values<S> & NodeOptions>();
    const client = await findNode(cli.io, options);
    const whole = typed.map((value, place) => {
      const { whole: find } = spec.args?.[place] ?? {};
      return typeof value === 'string' && find !== undefined ? find(client, value) : value;
    });
    const answer = await spec.ask(client, options, ...((await Promise.all(whole)) as ArgValues<A>));
    if (spec.fails?.(answer)) cli.exitCode = EXIT.failed;
    cli.answer(options, answer, (layout) => spec.show(answer, layout));
  });
}

/** A command that shows one page of a list as a table; with `options`, `filter` makes what is asked for of them. */
export function listing<R extends ListRoute, S extends OptionSet = Record<never, never>>(
  spec: Omit<Spec<S, []>, 'args'> & {
    route: R;
    columns: Columns<Item<R>>;
    /** What is said where there is nothing. */
    empty: string;
    filter?(options: Values<S>, client: MeshClient): Query<R> | Promise<Query<R>>;
  },
): Attach {
  return attaching(spec, { ...spec.options, ...PAGES, ...NODE }, [], async (cli, made) => {
    const options = made.optsWithGlobals<Values<S> & Values<typeof PAGES> & NodeOptions>();
    const client = await findNode(cli.io, options);
    const asked = await spec.filter?.(options, client);
    const page = await client.page(spec.route, asked, options);
    cli.answer(
      options,
      page,
      (layout) => table(page.items, spec.columns, spec.empty, layout) + furtherPages(page.cursor),
    );
  });
}

function attaching(
  spec: Spec<OptionSet, Args>,
  options: OptionSet,
  within: readonly Attach[],
  run: (cli: Cli, made: Command, typed: unknown[]) => void | Promise<void>,
): Attach {
  return (parent, cli) => {
    const made = parent.command(spec.name, { isDefault: spec.isDefault === true }).description(spec.about);
    for (const each of spec.args ?? []) made.addArgument(each.make());
    for (const [key, opt] of Object.entries(options)) made.addOption(opt(kebab(key)));
    withHelp(made, spec);
    // Commander gives the arguments, then the options, then the command.
    made.action((...given: unknown[]) => run(cli, made, given.slice(0, made.registeredArguments.length)));
    for (const attach of within) attach(made, cli);
    return made;
  };
}

/** A name that stands before other commands. */
export function group(
  spec: Pick<Spec<OptionSet, Args>, 'name' | 'about' | 'examples'>,
  commands: readonly Attach[],
): Attach {
  return (parent, cli) => {
    const made = withHelp(parent.command(spec.name).description(spec.about), spec);
    for (const attach of commands) attach(made, cli);
    return made;
  };
}

function withHelp(
  command: Command,
  { notes, examples }: { notes?: string; examples: readonly string[] },
): Command {
  if (notes !== undefined) command.addHelpText('after', `\n${notes}`);
  const lines = examples.map((example) => `  $ ${example}`).join('\n');
  return command.addHelpText('after', `\n${examples.length > 1 ? 'Examples' : 'Example'}:\n${lines}`);
}

const kebab = (key: string): string => key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
