import type { Argument, Command, Option } from 'commander';
import type { MeshClient } from '../client/client.ts';
import { terminalLine } from '../lib/untrusted-text.ts';
import { statusText } from './format.ts';
import { knownNodes } from './ids.ts';
import type { CliIo } from './io.ts';
import { offered } from './outcome.ts';
import { findNode } from './target.ts';

/** ms that somebody at a keyboard waits for candidates of a node. */
const NODE_MS = 1_500;
/** Candidates of one kind; more than that nobody reads. */
const MOST = 200;
const FILES = ':files';

interface Candidate {
  value: string;
  about: string;
}

interface Place {
  command: Command;
  /** Words of the command that are no options. */
  operands: number;
  /** The option whose value stands at the end. */
  pending: Option | undefined;
  /** Values of the options that say which node is meant. */
  target: { data?: string | undefined; apiUrl?: string | undefined };
}

/** Lines for the last of the words, which may be empty: a candidate, a tabulator, what it is; or `:files`. */
export async function complete(io: CliIo, program: Command, words: readonly string[]): Promise<string[]> {
  const typed = words.at(-1) ?? '';
  const [, flag, joined] = /^(--[^=]+)=(.*)$/s.exec(typed) ?? [];
  const place = walk(program, [...words.slice(0, -1), ...(flag === undefined ? [] : [flag])]);
  // Bash takes `=` for a word of its own.
  const current = joined ?? (typed === '=' ? '' : typed);
  const found = await candidates(io, place, current);
  const prefix = flag === undefined ? '' : `${flag}=`;
  const isEnd = /^(?:…|\.{2,3})/.test(current);
  const lines = found
    .filter(({ value }) => value === FILES || isEnd || value.startsWith(current))
    .slice(0, MOST)
    .map(({ value, about }) =>
      value === FILES ? value : `${prefix}${terminalLine(value)}\t${terminalLine(about)}`,
    );
  return [...new Set(lines)];
}

const optionsOf = (command: Command | null): Option[] =>
  command === null ? [] : [...command.createHelp().visibleOptions(command), ...optionsOf(command.parent)];

function walk(program: Command, words: readonly string[]): Place {
  const place: Place = { command: program, operands: 0, pending: undefined, target: {} };
  for (const word of words) {
    if (word === '=') continue;
    if (place.pending !== undefined) {
      if (place.pending.long === '--data') place.target.data = word;
      if (place.pending.long === '--api-url') place.target.apiUrl = word;
      place.pending = undefined;
    } else if (word.startsWith('-') && word !== '-') {
      const option = optionsOf(place.command).find(({ long, short }) => long === word || short === word);
      place.pending = option?.required || option?.optional ? option : undefined;
    } else {
      const next =
        place.operands > 0 ? undefined : place.command.commands.find((each) => each.name() === word);
      if (next === undefined) place.operands++;
      else place.command = next;
    }
  }
  return place;
}

async function candidates(io: CliIo, place: Place, current: string): Promise<Candidate[]> {
  const { command, operands, pending } = place;
  if (pending !== undefined) return valuesOf(io, place, pending, placeholder(pending), current);
  if (current.startsWith('-'))
    return optionsOf(command).flatMap(({ long, description }) =>
      long === undefined ? [] : [{ value: long, about: description }],
    );
  const subcommands = operands > 0 ? [] : command.createHelp().visibleCommands(command);
  const argument =
    command.registeredArguments.at(operands) ?? command.registeredArguments.findLast((each) => each.variadic);
  return [
    ...subcommands.map((each) => ({ value: each.name(), about: each.description() })),
    ...(argument === undefined ? [] : await valuesOf(io, place, argument, argument.name(), current)),
  ];
}

/** `file` of `--input <file>`. */
const placeholder = ({ flags }: Option): string => /[<[]([^>\]]+)/.exec(flags)?.[1] ?? '';

/** By its choices, else by what its placeholder is called. */
async function valuesOf(
  io: CliIo,
  { target }: Place,
  { argChoices }: Option | Argument,
  kind: string,
  current: string,
): Promise<Candidate[]> {
  if (argChoices !== undefined) return argChoices.map((value) => ({ value, about: '' }));
  if (kind === 'file' || kind === 'dir') return [{ value: FILES, about: '' }];
  const ask = ASKED.get(kind);
  if (ask === undefined) return [];
  // A node that is not there, or slow, is no reason to disturb a line that is being typed.
  const slow = new Promise<Candidate[]>((resolve) => setTimeout(resolve, NODE_MS, []).unref());
  return Promise.race([findNode(io, target).then((client) => ask(client, current)), slow]).catch(() => []);
}

type Ask = (client: MeshClient, current: string) => Promise<Candidate[]>;

const named = (values: readonly string[], about: string): Candidate[] =>
  values.map((value) => ({ value, about }));

const capsules: Ask = async (client, current) => {
  const id = current.replace(/^\.{2,3}/, '…');
  if (id !== '' && !/^…?[0-9a-f]+$/.test(id)) return [];
  const page = await client.request('GET /api/capsules', { query: { id: id || undefined, limit: MOST } });
  return page.items.map((row) => ({
    value: row.id,
    about: `${statusText(row.status, row.error)} ${row.requestedCapability}`,
  }));
};

const nodes: Ask = async (client, current) => {
  const end = /^(?:…|\.{2,3})(.*)$/.exec(current)?.[1];
  const known = await knownNodes(client);
  return named(end === undefined ? known : known.filter((id) => id.endsWith(end)), 'node');
};

const installed: Ask = async (client) => {
  const { modules } = await client.request('GET /api/capabilities');
  return modules.map(({ manifest }) => ({ value: manifest.id, about: manifest.description }));
};

const permissions: Ask = async (client) => {
  const { items } = await client.request('GET /api/permissions');
  return items.map(({ module, permission }) => ({ value: permission, about: module }));
};

const ASKED: ReadonlyMap<string, Ask> = new Map([
  ['id', capsules],
  ['node', nodes],
  ['account', nodes],
  ['capability', async (client) => named(await offered(client), 'capability')],
  ['module', installed],
  ['permission', permissions],
]);
