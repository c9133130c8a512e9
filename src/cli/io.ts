import { spawn } from 'node:child_process';
import { fstatSync } from 'node:fs';
import process from 'node:process';
import type { Readable } from 'node:stream';

const STDIN = 0;

/** A stream that text is written to; `isTTY` where a person reads it. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Characters of a terminal's line. */
  readonly columns?: number;
}

/** Everything outside that a command touches, beside files and the node it calls. */
export interface CliIo {
  stdin: Readable & { isTTY?: boolean };
  /** Whether somebody feeds standard input: a pipe or a file, not a terminal and not /dev/null. */
  isPiped(): boolean;
  stdout: Output;
  stderr: Output;
  env: Readonly<Record<string, string | undefined>>;
  /** SIGINT and SIGTERM; the process no longer ends by itself while somebody listens. Returns the removal. */
  onSignal(listener: (signal: 'SIGINT' | 'SIGTERM') => void): () => void;
  /** Where there is a browser; else nothing happens. */
  openInBrowser(url: string): void;
  /** Ends the process at once, for a second Ctrl-C. */
  exitNow(code: number): void;
}

export function processIo(): CliIo {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      // The reader of a pipe may leave early (`| head`); that is no fault of ours. A command that has just ended, and
      // whose answer this was, still says with its exit code whether what was asked for failed.
      setImmediate(() => process.exit());
      return;
    }
    process.stderr.write(`capsule: The answer cannot be written (${error.code ?? error.message}). (usage)\n`);
    process.exit(2);
  });
  return {
    stdin: process.stdin,
    isPiped: () => {
      try {
        const found = fstatSync(STDIN);
        return found.isFIFO() || found.isFile() || found.isSocket();
      } catch {
        return false;
      }
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    onSignal(listener) {
      process.on('SIGINT', listener);
      process.on('SIGTERM', listener);
      return () => {
        process.off('SIGINT', listener);
        process.off('SIGTERM', listener);
      };
    },
    openInBrowser,
    exitNow: (code) => process.exit(code),
  };
}

/** The system's own way to open an address; it goes on when this process has ended. */
function openInBrowser(url: string): void {
  const { DISPLAY, WAYLAND_DISPLAY } = process.env;
  const hasScreen = process.platform !== 'linux' || Boolean(DISPLAY || WAYLAND_DISPLAY);
  if (!hasScreen) return;
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open']
      : process.platform === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler']
        : ['xdg-open'];
  const opener = spawn(command ?? 'xdg-open', [...args, url], { stdio: 'ignore', detached: true });
  opener.on('error', () => undefined);
  opener.unref();
}
