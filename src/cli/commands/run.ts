import type { Command } from 'commander';
import type { CapsuleView } from '../../exchange/types.ts';
import type { ApiClient } from '../api-client.ts';
import { checkTextOutput } from '../archive-files.ts';
import { type Cli, withExample } from '../cli.ts';
import { readJsonFile } from '../files.ts';
import { capsuleId, hexId } from '../ids.ts';
import { withOut } from '../options.ts';
import {
  noteCost,
  noteUnknown,
  type OutcomeOptions,
  type Submission,
  submitAndWait,
  submitCapsule,
} from '../outcome.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';
import { type DraftOptions, readDraft, withDraft } from './draft-options.ts';

interface SendOptions extends NodeOptions, OutcomeOptions {
  on?: string;
  detach?: boolean;
}
type RunOptions = SendOptions & DraftOptions;

const withSending = (command: Command): Command =>
  withNode(
    withOut(
      command
        .option('--on <node>', 'only this node may execute it')
        .option('--detach', 'print the id and do not wait'),
      'the result',
    ),
  );

async function send(
  cli: Cli,
  client: ApiClient,
  submission: Submission,
  options: SendOptions,
): Promise<void> {
  if (!options.detach) return submitAndWait(cli, client, submission, options);
  const id = await submitCapsule(client, submission);
  cli.answer(options, { id }, () => id);
}

export function addRun(program: Command, cli: Cli): void {
  const run = withDraft(
    program.command('run').description('submit a capsule, wait for its end, print the result'),
  );
  withExample(
    withSending(run),
    'capsule run text.summarize --input README.md',
    'git log --oneline | capsule run text.keywords',
    'capsule run ai.chat "What is a capsule?" --pay 5 --json',
  ).action(async (capability: string, text: string | undefined, options: RunOptions) => {
    await checkTextOutput(options.out, options.force);
    const body = await readDraft(cli.io, capability, text, options);
    const client = await findNode(cli.io, options);
    await noteUnknown(cli, client, capability);
    noteCost(cli, body);
    return send(cli, client, { body, executor: options.on }, options);
  });
}

export function addRetry(program: Command, cli: Cli): void {
  const retry = program
    .command('retry')
    .description('submit again what failed, under a new id; of a chain all of it, from its root')
    .argument('<id>', 'the capsule', hexId);
  withExample(withSending(retry), 'capsule retry 3fa1…').action(
    async (typed: string, options: SendOptions) => {
      await checkTextOutput(options.out, options.force);
      const client = await findNode(cli.io, options);
      const id = await capsuleId(client, typed);
      const asked = await client.request<CapsuleView>(`/api/capsules/${id}`);
      const { root } = asked.record;
      if (root !== id)
        cli.note(`The capsule is a step, made of a result: its chain is submitted again, from ${root}.`);
      const { capsule } = root === id ? asked : await client.request<CapsuleView>(`/api/capsules/${root}`);
      noteCost(cli, capsule);
      return send(cli, client, { path: `/api/capsules/${id}/retry`, executor: options.on }, options);
    },
  );
}

export function addSubmit(program: Command, cli: Cli): void {
  const submit = program
    .command('submit')
    .description('submit a signed capsule, or one for the node to sign')
    .argument('<file>', 'the capsule as JSON; - is standard input')
    .option('--wait', 'wait for its end and print the result');
  withExample(withNode(submit), 'capsule submit capsule.json --wait').action(
    async (file: string, options: NodeOptions & { wait?: boolean }) => {
      const client = await findNode(cli.io, options);
      const body = await readJsonFile(cli.io, file);
      return send(cli, client, { body }, { ...options, detach: !options.wait });
    },
  );
}
