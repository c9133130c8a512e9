import type { CapsuleView, MeshEvent } from '../exchange/types.ts';
import type { ApiClient } from './api-client.ts';
import type { Cli } from './cli.ts';
import { describeFailure, EXIT } from './failure.ts';
import { writeOutput } from './files.ts';
import { waitForEnd } from './follow.ts';
import { safeText } from './format.ts';
import { StatusLine } from './status-line.ts';

export interface OutcomeOptions {
  json?: boolean;
  /** File for the result instead of standard output. */
  out?: string;
}

/** Where results of text capabilities have what a person wants to read, in this order. */
const TEXT_KEYS = ['text', 'summary', 'markdown', 'content'] as const;

/** The text of a result, or all of it as JSON. */
export function resultText(result: unknown): string {
  if (typeof result === 'string') return result;
  if (typeof result === 'object' && result !== null) {
    const members = new Map<string, unknown>(Object.entries(result));
    for (const key of TEXT_KEYS) {
      const text = members.get(key);
      if (typeof text === 'string') return text;
    }
  }
  return JSON.stringify(result ?? null, null, 2);
}

export interface Submission {
  /** A signed capsule, or a draft for the node to sign. */
  body: unknown;
  /** Only this node may execute it. */
  executor?: string | undefined;
}

/** Resolves with the id once the node has stored it. */
export async function submitCapsule(
  client: ApiClient,
  { body, executor }: Submission,
  signal?: AbortSignal,
): Promise<string> {
  const { id } = await client.request<{ id: string }>('/api/capsules', {
    method: 'POST',
    body,
    query: { executor },
    ...(signal && { signal }),
  });
  return id;
}

/** Submits, waits for the end, streaming the text to a terminal, and prints what came of it. */
export async function submitAndWait(
  cli: Cli,
  client: ApiClient,
  submission: Submission,
  options: OutcomeOptions,
): Promise<void> {
  const { stdout, stderr } = cli.io;
  const status = new StatusLine(stderr);
  const streams = stdout.isTTY === true && !options.json && options.out === undefined;
  let streamed = '';
  const onEvent = (event: MeshEvent): void => {
    if (event.type === 'status' && event.status === 'executing' && streamed !== '') {
      // Another attempt begins its text anew.
      stdout.write('\n');
      streamed = '';
    }
    if (streams && event.type === 'progress' && event.delta !== undefined) {
      status.clear();
      stdout.write(safeText(event.delta));
      streamed += event.delta;
    } else status.show(event);
  };
  let id: string | undefined;
  const view = await cli.interruptible(
    async (signal) => {
      id = await submitCapsule(client, submission, signal);
      return waitForEnd(client, id, { signal, onEvent }).finally(() => status.clear());
    },
    () =>
      id === undefined
        ? 'Interrupted; whether the node has the capsule shows: capsule list'
        : `No longer waiting; the capsule goes on. Follow it with: capsule watch ${id}`,
  );
  if (view === undefined) return;
  if (streamed !== '') stdout.write('\n');
  if (view.status === 'failed') return printFailure(cli, view, options);
  const text = resultText(view.result);
  if (options.out !== undefined) await writeOutput(options.out, text.endsWith('\n') ? text : `${text}\n`);
  if (options.json) cli.printJson(shown(view));
  else if (options.out === undefined && streamed.trim() !== text.trim())
    cli.print(stdout.isTTY ? safeText(text) : text);
  if (!options.json && stderr.isTTY) for (const child of view.children) cli.note(`next: ${child}`);
}

function printFailure(cli: Cli, view: CapsuleView, options: OutcomeOptions): void {
  if (options.json) cli.printJson(shown(view));
  cli.note(describeFailure(view.error ?? { code: 'internal', message: 'The capsule failed.' }));
  cli.exitCode = EXIT.failed;
}

/** `{id, status, executor, result, receipt, children[]}` (interfaces "Node"), and the error where it failed. */
function shown(view: CapsuleView): object {
  const { id, status, executor, result, error, receipt, children } = view;
  return { id, status, executor, result: result ?? null, error, receipt, children };
}
