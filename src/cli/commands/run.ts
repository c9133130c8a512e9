import { checkTextOutput } from '../archive-files.ts';
import { command } from '../command.ts';
import { DRAFT, DRAFT_ARGS, readDraft } from '../draft.ts';
import { readJsonFile } from '../files.ts';
import { CAPSULE, capsuleId, nodeId } from '../ids.ts';
import { arg, flag } from '../option.ts';
import { NODE } from '../options.ts';
import { noteCost, noteUnknown, SENDING, send, submitCapsule } from '../outcome.ts';
import { findNode } from '../target.ts';

const run = command({
  name: 'run',
  about: 'submit a capsule, wait for its end, print the result',
  args: DRAFT_ARGS,
  options: { ...DRAFT, ...SENDING },
  examples: [
    'capsule run text.summarize --input README.md',
    'git log --oneline | capsule run text.keywords',
    'capsule run ai.chat "What is a capsule?" --pay 5 --json',
  ],
  async run(cli, options, capability, text) {
    await checkTextOutput(options.out, options.force);
    const body = await readDraft(cli.io, options, capability, text);
    const client = await findNode(cli.io, options);
    await noteUnknown(cli, client, capability);
    noteCost(cli, body);
    return send(cli, client, () => submitCapsule(client, body, options.on), options);
  },
});

const submit = command({
  name: 'submit',
  about: 'submit a signed capsule, or one for the node to sign',
  args: [arg('<file>', 'the capsule as JSON; - is standard input')],
  options: { wait: flag('wait for its end and print the result'), ...NODE },
  examples: ['capsule submit capsule.json --wait'],
  async run(cli, options, file) {
    const client = await findNode(cli.io, options);
    const body = await readJsonFile(cli.io, file);
    return send(cli, client, () => submitCapsule(client, body), { ...options, detach: !options.wait });
  },
});

const retry = command({
  name: 'retry',
  about: 'submit again what failed, under a new id; of a chain all of it, from its root',
  args: [CAPSULE],
  options: SENDING,
  examples: ['capsule retry 3fa1…'],
  async run(cli, options, typed) {
    await checkTextOutput(options.out, options.force);
    const client = await findNode(cli.io, options);
    const id = await capsuleId(client, typed);
    const asked = await client.request('GET /api/capsules/:id', { params: { id } });
    const { root } = asked.record;
    if (root !== id)
      cli.note(`The capsule is a step, made of a result: its chain is submitted again, from ${root}.`);
    const whole =
      root === id ? asked : await client.request('GET /api/capsules/:id', { params: { id: root } });
    noteCost(cli, whole.capsule);
    const again = async (): Promise<string> => {
      const executor = options.on === undefined ? undefined : await nodeId(client, '--on', options.on);
      const query = { executor };
      return (await client.request('POST /api/capsules/:id/retry', { params: { id }, query })).id;
    };
    return send(cli, client, again, options);
  },
});

export const sending = { run, submit, retry };
