import type { Command } from 'commander';
import { EXIT } from './failure.ts';
import { safeJson } from './format.ts';
import type { CliIo } from './io.ts';

/** What a command is given: where to print, and how it ends when nothing was thrown. */
export class Cli {
  readonly io: CliIo;
  exitCode = 0;

  constructor(io: CliIo) {
    this.io = io;
  }

  /** The answer, for a person or a pipe. */
  print(text: string): void {
    this.io.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** The answer as one JSON document: indented for a person, one line in a pipe. */
  printJson(document: unknown): void {
    this.print(safeJson(document, this.io.stdout.isTTY ? 2 : 0));
  }

  /** Anything that is not the answer. */
  note(text: string): void {
    this.io.stderr.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  /**
   * Runs what may take long. The first Ctrl-C aborts it, says `message` and gives undefined; a second one ends the
   * process at once.
   */
  async interruptible<T>(
    work: (signal: AbortSignal) => Promise<T>,
    message: () => string,
  ): Promise<T | undefined> {
    const controller = new AbortController();
    const remove = this.io.onSignal(() => {
      if (controller.signal.aborted) this.io.exitNow(EXIT.interrupted);
      controller.abort();
    });
    try {
      return await work(controller.signal);
    } catch (error) {
      if (!controller.signal.aborted) throw error;
      this.note(message());
      this.exitCode = EXIT.interrupted;
      return undefined;
    } finally {
      remove();
    }
  }

  /** The document with `--json`, else the text for a person. */
  answer(options: { json?: boolean }, document: unknown, text: () => string): void {
    if (options.json) this.printJson(document);
    else this.print(text());
  }
}

/** Every command's help ends with an example. */
export function withExample(command: Command, ...examples: string[]): Command {
  const lines = examples.map((example) => `  $ ${example}`).join('\n');
  return command.addHelpText('after', `\n${examples.length > 1 ? 'Examples' : 'Example'}:\n${lines}`);
}

export interface OutputOptions {
  json?: boolean;
}

export const withJson = (command: Command): Command =>
  command.option('--json', 'print one JSON document and nothing else on standard output');
