import { Command, Option } from 'commander';
import { packageVersion } from '../daemon/version.ts';
import { terminalText } from '../lib/untrusted-text.ts';
import { Cli, type DisplayOptions } from './cli.ts';
import type { Attach } from './command.ts';
import { archives } from './commands/archive.ts';
import { capsules } from './commands/capsules.ts';
import { completion } from './commands/completion.ts';
import { console } from './commands/console.ts';
import { credits } from './commands/credits.ts';
import { identity } from './commands/identity.ts';
import { node } from './commands/node.ts';
import { offline } from './commands/offline.ts';
import { permissions } from './commands/permissions.ts';
import { receipts } from './commands/receipts.ts';
import { sending } from './commands/run.ts';
import { start } from './commands/start.ts';
import { token } from './commands/token.ts';
import { watch } from './commands/watch.ts';
import { workflow } from './commands/workflow.ts';
import { EXIT, failureOf } from './failure.ts';
import type { CliIo } from './io.ts';

const ABOUT = `Two things are called a capsule:
  a work order, signed, which a node runs:  run, list, show ID
  an archive, a signed .capsule file:       seal, verify, inspect FILE`;

/** All commands, as help lists them. */
const COMMANDS: readonly (readonly [heading: string, commands: readonly Attach[]])[] = [
  ['Node:', [start, ...node, console]],
  ['Work orders:', [sending.run, sending.submit, ...offline, ...capsules, sending.retry, watch, workflow]],
  ['Books and rights:', [credits, receipts, permissions, token, identity]],
  ['Archives:', archives],
  ['Shell:', completion],
];

/** The command line (interfaces "Node"), bound to where they read and print. */
export function createProgram(cli: Cli): Command {
  const program = new Command('capsule')
    .description(ABOUT)
    .version(`capsule ${packageVersion()}`, '-V, --version', 'print the version')
    .addOption(
      new Option('--color <when>', 'colours for states').choices(['auto', 'always', 'never']).default('auto'),
    )
    .option('--wide', 'lines of tables as long as they are, on a terminal too')
    .option('--no-trunc', 'the same, with all ids in full')
    .helpOption('-h, --help', 'print help')
    .showHelpAfterError(false)
    .configureHelp({ subcommandTerm: (command) => command.name(), showGlobalOptions: true })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => cli.io.stdout.write(text),
      writeErr: (text) => cli.io.stderr.write(terminalText(text)),
      outputError: (text, write) => write(usageError(text, commandPath(program))),
    })
    .hook('preAction', () => cli.display(program.opts<DisplayOptions>()));
  for (const [heading, commands] of COMMANDS) {
    program.commandsGroup(heading);
    for (const attach of commands) attach(program, cli);
  }
  return program;
}

/** Runs one command line and gives the exit code; everything printed goes through `io`. */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  const cli = new Cli(io);
  const program = createProgram(cli);
  try {
    if (args.length === 0) {
      program.outputHelp({ error: true });
      return EXIT.usage;
    }
    await program.parseAsync([...args], { from: 'user' });
    return cli.exitCode;
  } catch (error) {
    const { text, exit } = failureOf(error);
    if (text !== '') cli.note(text);
    return exit;
  }
}

/** Commander says `error: unknown command 'x'\n(Did you mean y?)`; every error here reads alike. */
function usageError(text: string, command: string): string {
  const [first = '', ...rest] = text
    .trim()
    .replace(/^error: /, '')
    .split('\n');
  const sentence = first.charAt(0).toUpperCase() + first.slice(1).replace(/([^.?!])$/, '$1.');
  const hint = rest.map((line) => line.replace(/^\((.*)\)$/, '$1')).join(' ');
  return `capsule: ${sentence} (usage)\n${hint || `See: ${command} --help`}\n`;
}

/** `capsule receipts verify`, as far as what was typed names commands. */
function commandPath(program: Command & { rawArgs?: string[] }): string {
  let command: Command = program;
  const path = [program.name()];
  for (const word of program.rawArgs ?? []) {
    const next = command.commands.find((each) => each.name() === word);
    if (next === undefined) break;
    command = next;
    path.push(word);
  }
  return path.join(' ');
}
