import { spawn } from 'node:child_process';
import { PassThrough, Readable } from 'node:stream';
import type { CliIo } from '../../src/cli/io.ts';
import { runCli } from '../../src/cli/program.ts';
import { built } from './built.ts';

/** The command's file. */
export const mainFile = (): string => built('src/cli/main.js');

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  /** Standard input. */
  input?: string;
  cwd?: string;
}

/** Runs the real command in a process of its own. */
export function spawnCapsule(args: readonly string[], options: RunOptions = {}) {
  const { CAPSULE_DATA: _, ...inherited } = process.env;
  const child = spawn(process.execPath, [mainFile(), ...args], {
    env: { ...inherited, ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  const ran: Ran = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ran.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ran.stderr += text;
  });
  child.stdin.on('error', () => undefined).end(options.input ?? '');
  const ended = new Promise<Ran>((resolve) => {
    child.once('close', (code) => resolve({ ...ran, code }));
  });
  return { child, ended, soFar: ran };
}

export const capsule = (args: readonly string[], options?: RunOptions): Promise<Ran> =>
  spawnCapsule(args, options).ended;

export interface InProcess extends CliIo {
  readonly printed: { stdout: string; stderr: string };
  /** What was asked of `exitNow`. */
  readonly exits: number[];
  /** What was asked to be opened in a browser. */
  readonly opened: string[];
  /** As if somebody pressed Ctrl-C. */
  interrupt(): void;
}

/** Streams in memory, for commands that run in this process. */
export function memoryIo(
  options: { env?: Record<string, string>; input?: string; tty?: boolean; columns?: number } = {},
): InProcess {
  const printed = { stdout: '', stderr: '' };
  const listeners = new Set<(signal: 'SIGINT' | 'SIGTERM') => void>();
  const exits: number[] = [];
  const opened: string[] = [];
  const output = (name: 'stdout' | 'stderr') => ({
    isTTY: options.tty === true,
    ...(options.columns !== undefined && { columns: options.columns }),
    write: (text: string) => {
      printed[name] += text;
    },
  });
  return {
    stdin:
      options.input === undefined ? new PassThrough().end() : Readable.from([Buffer.from(options.input)]),
    isPiped: () => options.input !== undefined,
    stdout: output('stdout'),
    stderr: output('stderr'),
    env: options.env ?? {},
    onSignal(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    openInBrowser: (url) => opened.push(url),
    exitNow: (code) => exits.push(code),
    printed,
    exits,
    opened,
    interrupt: () => {
      for (const listener of listeners) listener('SIGINT');
    },
  };
}

/** Runs a command in this process. */
export async function inProcess(
  args: readonly string[],
  options: Parameters<typeof memoryIo>[0] = {},
): Promise<Ran> {
  const io = memoryIo(options);
  const code = await runCli(args, io);
  return { code, ...io.printed };
}
