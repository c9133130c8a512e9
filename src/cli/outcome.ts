import type { CapsuleView, MeshEvent } from '../api/schemas/capsules.ts';
import { costAtMost } from '../capsule/cost.ts';
import type { MeshClient } from '../client/client.ts';
import { writeText } from './archive-files.ts';
import { type Cli, ended } from './cli.ts';
import { describeFailure, EXIT } from './failure.ts';
import { plural } from './format.ts';
import { nodeId } from './ids.ts';
import { flag, option, type Values } from './option.ts';
import { NODE, outputOf } from './options.ts';
import { StatusLine } from './status-line.ts';
import { didYouMean } from './suggest.ts';

/** Options of what submits something and tells what came of it. */
export const SENDING = {
  on: option('<node>', 'only this node may execute it'),
  detach: flag('print the id and do not wait'),
  ...outputOf('the result'),
  ...NODE,
};
type SendOptions = Partial<Values<typeof SENDING>>;

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

/** Submits a signed capsule or a draft, for `on` alone (an id, or the part of one that was typed). Gives the id once the node has stored it. */
export async function submitCapsule(client: MeshClient, body: unknown, on?: string): Promise<string> {
  const executor = on === undefined ? undefined : await nodeId(client, '--on', on);
  return (await client.request('POST /api/capsules', { body, query: { executor } })).id;
}

/** What a chain will cost at most, said before it is sent: `--pay` is meant for each of its capsules. */
export function noteCost(cli: Cli, capsule: Parameters<typeof costAtMost>[0]): void {
  const { credits, amounts } = costAtMost(capsule);
  const [first] = amounts;
  if (amounts.length === 0 || (capsule.next ?? []).length === 0) return;
  const equal = amounts.every((amount) => amount === first);
  const each = equal ? `at most ${String(first)} for each of ` : '';
  cli.note(
    `Costs at most ${String(credits)} credits: ${each}${plural(amounts.length, 'capsule')} of the chain.`,
  );
}

/** A name that nobody is known to offer is told with the one that may be meant; it is sent all the same. */
export async function noteUnknown(cli: Cli, client: MeshClient, capability: string): Promise<void> {
  const names = await offered(client).catch((): string[] => []);
  const hint = names.includes(capability) ? undefined : didYouMean(capability, names);
  if (hint !== undefined) cli.note(`No node that is known offers ${capability}. ${hint}`);
}

/** Names of all capabilities that this node or one that it knows offers. */
export async function offered(client: MeshClient): Promise<string[]> {
  const [here, market] = await Promise.all([
    client.request('GET /api/capabilities'),
    client.request('GET /api/market'),
  ]);
  return [
    ...new Set([
      ...here.offers.map(({ capability }) => capability.id),
      ...market.items.map(({ capabilityId }) => capabilityId),
    ]),
  ];
}

/**
 * Submits, waits for the end, streaming the text to a terminal, and prints what came of it; with `--detach` only the id.
 */
export async function send(
  cli: Cli,
  client: MeshClient,
  submit: () => Promise<string>,
  options: SendOptions,
): Promise<void> {
  if (options.detach) {
    const submitted = await submit();
    return cli.answer(options, { id: submitted }, () => submitted);
  }
  const { stdout, stderr } = cli.io;
  const status = new StatusLine(stderr);
  const streams = stdout.isTTY === true && !options.json && options.out === undefined;
  let streamed = '';
  let epoch = 0;
  const onEvent = (event: MeshEvent): void => {
    if (!streams || event.type !== 'progress' || event.delta === undefined) return status.show(event);
    status.clear();
    if (event.epoch !== epoch && streamed !== '') {
      // Another attempt begins its text anew.
      stdout.write('\n');
      streamed = '';
    }
    epoch = event.epoch;
    const gap = event.missing === undefined ? '' : missingText(event.missing);
    cli.content(gap + event.delta);
    streamed += gap + event.delta;
  };
  let id: string | undefined;
  const view = await cli.interruptible(
    async (signal) => {
      // The node answers at once, and without the answer nobody knows what to follow: Ctrl-C does not cut it off.
      id = await submit();
      if (stderr.isTTY && !options.json) cli.note(`capsule ${id}`);
      signal.throwIfAborted();
      return client.waitForEnd(id, { signal, onEvent }).finally(() => status.clear());
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
  if (options.out !== undefined) await writeText(options.out, ended(text), options);
  if (options.json) cli.printJson(shown(view));
  else if (options.out === undefined && streamed.trim() !== text.trim()) cli.content(ended(text));
  if (!options.json && cut(view))
    cli.note('The answer was cut: the model had no more tokens for it ("num_predict" in options).');
  if (!options.json && stderr.isTTY) for (const child of view.children) cli.note(`next: ${child}`);
}

/** A model's work says how its answer ended. */
function cut({ result, receipt }: CapsuleView): boolean {
  const ended = [result, receipt?.execution].map((part) =>
    typeof part === 'object' && part !== null && 'ended' in part ? part.ended : undefined,
  );
  return ended.includes('length');
}

function printFailure(cli: Cli, view: CapsuleView, options: SendOptions): void {
  if (options.json) cli.printJson(shown(view));
  cli.note(describeFailure(view.error ?? { code: 'internal', message: 'The capsule failed.' }));
  cli.exitCode = EXIT.failed;
}

/** Stands in the text where parts of it were lost; the whole result is printed in the end. */
const missingText = (parts: number): string => `[${plural(parts, 'part')} missing]`;

/** `{id, status, executor, result, receipt, children[]}` (interfaces "Node"), the error where it failed, and what all may cost. */
function shown(view: CapsuleView): object {
  const { id, status, executor, result, error, receipt, children, capsule } = view;
  const { credits } = costAtMost(capsule);
  return { id, status, executor, result: result ?? null, error, receipt, children, costAtMost: credits };
}
