import type { Command } from 'commander';
import { type Cli, withExample } from '../cli.ts';
import { readJsonFile } from '../files.ts';
import { submitAndWait, submitCapsule } from '../outcome.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';
import { type DraftOptions, readDraft, withDraft } from './draft-options.ts';

interface RunOptions extends NodeOptions, DraftOptions {
  on?: string;
  detach?: boolean;
  out?: string;
}

export function addRun(program: Command, cli: Cli): void {
  const run = withDraft(
    program.command('run').description('submit a capsule, wait for its end, print the result'),
  )
    .option('--on <node>', 'only this node may execute it')
    .option('--detach', 'print the id and do not wait')
    .option('--out <file>', 'write the result to a file');
  withExample(
    withNode(run),
    'capsule run text.summarize --input README.md',
    'capsule run ai.chat "What is a capsule?" --pay 5 --json',
  ).action(async (capability: string, text: string | undefined, options: RunOptions) => {
    const client = await findNode(cli.io, options);
    const body = await readDraft(cli.io, capability, text, options);
    const submission = { body, executor: options.on };
    if (!options.detach) return submitAndWait(cli, client, submission, options);
    const id = await submitCapsule(client, submission);
    cli.answer(options, { id }, () => id);
  });
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
      if (options.wait) return submitAndWait(cli, client, { body }, options);
      const id = await submitCapsule(client, { body });
      cli.answer(options, { id }, () => id);
    },
  );
}
