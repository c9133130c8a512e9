import { checkTextOutput, writeText } from '../archive-files.ts';
import type { Cli } from '../cli.ts';
import { command } from '../command.ts';
import { DRAFT, DRAFT_ARGS, readDraft } from '../draft.ts';
import { describeFailure, EXIT, usage } from '../failure.ts';
import { readJsonFile } from '../files.ts';
import { arg, flag } from '../option.ts';
import { DATA, JSON_ONLY, type JsonOption, type OutOptions, outputOf } from '../options.ts';

/** What signs is loaded when it is used: it takes a while to load. */
const signing = () => import('../signing.ts');
const FILE = arg('<file>', 'the capsule as JSON; - is standard input');

async function printDocument(cli: Cli, document: unknown, options: OutOptions & JsonOption): Promise<void> {
  if (options.out !== undefined)
    await writeText(options.out, `${JSON.stringify(document, null, 2)}\n`, options);
  else cli.printJson(document, options.json ? 0 : 2);
}

const create = command({
  name: 'create',
  about: 'make a capsule, without a node',
  args: DRAFT_ARGS,
  options: { ...DRAFT, sign: flag('sign it as well'), ...outputOf('it'), ...DATA },
  examples: ['capsule create text.summarize --input README.md --sign --out capsule.json'],
  async run(cli, options, ...asked) {
    await checkTextOutput(options.out, options.force);
    const draft = await readDraft(cli.io, options, ...asked);
    const { complete, sign } = await signing();
    await printDocument(cli, await (options.sign ? sign : complete)(cli, draft, options), options);
  },
});

const sign = command({
  name: 'sign',
  about: 'complete and sign a capsule with this data directory’s key',
  args: [FILE],
  options: { ...outputOf('it'), ...DATA },
  examples: ['capsule sign draft.json --out capsule.json'],
  async run(cli, options, file) {
    await checkTextOutput(options.out, options.force);
    const draft = await readJsonFile(cli.io, file);
    if (typeof draft === 'object' && draft !== null && Object.hasOwn(draft, 'signature'))
      throw usage('The capsule is signed already.', 'Verify it with: capsule check FILE');
    await printDocument(cli, await (await signing()).sign(cli, draft, options), options);
  },
});

const check = command({
  name: 'check',
  about: 'verify a capsule: structure, rules, times, id, signature',
  args: [FILE],
  options: JSON_ONLY,
  examples: ['capsule check capsule.json'],
  async run(cli, options, file) {
    const value = await readJsonFile(cli.io, file);
    const checked = (await signing()).check(value);
    if (checked.ok) {
      const { id, originIdentity } = checked.capsule;
      return cli.answer(options, { valid: true, id, originIdentity }, () => `valid: ${id}`);
    }
    const { code, message } = checked.error;
    if (options.json) cli.printJson({ valid: false, code, reason: message });
    cli.note(describeFailure({ code, message }));
    cli.exitCode = EXIT.failed;
  },
});

/** What needs a key and no node. */
export const offline = [create, sign, check];
