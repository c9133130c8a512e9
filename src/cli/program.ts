import { Command, Option } from 'commander';
import { packageVersion } from '../daemon/version.ts';
import { terminalText } from '../lib/untrusted-text.ts';
import { Cli, type DisplayOptions } from './cli.ts';
import { addArchives } from './commands/archive/index.ts';
import { addCapsules } from './commands/capsules.ts';
import { addCompletion } from './commands/completion.ts';
import { addConsole } from './commands/console.ts';
import { addCredits } from './commands/credits.ts';
import { addIdentity } from './commands/identity.ts';
import { addNode } from './commands/node.ts';
import { addOffline } from './commands/offline.ts';
import { addPermissions } from './commands/permissions.ts';
import { addReceipts } from './commands/receipts.ts';
import { addRetry, addRun, addSubmit } from './commands/run.ts';
import { addStart } from './commands/start.ts';
import { addToken } from './commands/token.ts';
import { addWatch } from './commands/watch.ts';
import { addWorkflow } from './commands/workflow.ts';
import { EXIT, failureOf } from './failure.ts';
import type { CliIo } from './io.ts';

const ABOUT = `Two things are called a capsule:
  a work order, signed, which a node runs:  run, list, show ID
  an archive, a signed .capsule file:       seal, verify, inspect FILE`;

/** All commands (interfaces "Node"), bound to where they read and print. */
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
  program.commandsGroup('Node:');
  addStart(program, cli);
  addNode(program, cli);
  addConsole(program, cli);
  program.commandsGroup('Work orders:');
  addRun(program, cli);
  addSubmit(program, cli);
  addOffline(program, cli);
  addCapsules(program, cli);
  addRetry(program, cli);
  addWatch(program, cli);
  addWorkflow(program, cli);
  program.commandsGroup('Books and rights:');
  addCredits(program, cli);
  addReceipts(program, cli);
  addPermissions(program, cli);
  addToken(program, cli);
  addIdentity(program, cli);
  addArchives(program.commandsGroup('Archives:'), cli);
  program.commandsGroup('Shell:');
  addCompletion(program, cli);
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
