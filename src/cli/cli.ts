import { MeshError, toErrorBody } from '../lib/errors.ts';
import { terminalJson, terminalText } from '../lib/untrusted-text.ts';
import { EXIT } from './failure.ts';
import { type Layout, printable } from './format.ts';
import type { CliIo } from './io.ts';

/** Characters of a terminal that does not say how wide it is. */
const COLUMNS = 80;
const PLAIN: Layout = { columns: undefined, whole: false, colour: false };

/** Options of the program, which every command takes. */
export interface DisplayOptions {
  color?: 'auto' | 'always' | 'never';
  wide?: boolean;
  /** False with `--no-trunc`. */
  trunc?: boolean;
}

/**
 * What a command is given: where to print, and how it ends when nothing was thrown. All that reaches a terminal goes
 * through here, and is cleaned here, whoever wrote it.
 */
export class Cli {
  readonly io: CliIo;
  exitCode = 0;
  #layout: Layout;

  constructor(io: CliIo) {
    this.io = io;
    this.#layout = PLAIN;
    this.display({});
  }

  display({ color = 'auto', wide = false, trunc = true }: DisplayOptions): void {
    const { stdout, env } = this.io;
    const terminal = stdout.isTTY === true;
    this.#layout = {
      columns: terminal && trunc && !wide ? (stdout.columns ?? COLUMNS) : undefined,
      whole: !trunc,
      colour: color === 'auto' ? terminal && !env.NO_COLOR && env.TERM !== 'dumb' : color === 'always',
    };
  }

  get layout(): Layout {
    return this.#layout;
  }

  /** The answer, for a person or a pipe. */
  print(text: string): void {
    this.io.stdout.write(printable(ended(text), this.#layout));
  }

  /** What somebody asked for by itself, such as a result: byte for byte in a pipe. */
  content(text: string): void {
    this.io.stdout.write(this.io.stdout.isTTY ? terminalText(text) : text);
  }

  /** The answer as one JSON document: indented for a person, one line in a pipe. */
  printJson(document: unknown, indent = this.io.stdout.isTTY ? 2 : 0): void {
    this.io.stdout.write(ended(terminalJson(document, indent)));
  }

  /** Anything that is not the answer. */
  note(text: string): void {
    this.io.stderr.write(terminalText(ended(text)));
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

  /** A script that asked for JSON gets a document whatever happens. */
  async documented(options: { json?: boolean | undefined }, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (options.json && error instanceof MeshError)
        this.printJson({ ok: false, error: toErrorBody(error) });
      throw error;
    }
  }

  /** The document with `--json`, else the text for a person. */
  answer(options: { json?: boolean | undefined }, document: unknown, text: (layout: Layout) => string): void {
    if (options.json) this.printJson(document);
    else this.print(text(this.#layout));
  }
}

export const ended = (text: string): string => (text.endsWith('\n') ? text : `${text}\n`);
