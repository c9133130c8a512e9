import type { Command } from 'commander';
import { checkTextOutput, writeText } from '../archive-files.ts';
import { type Cli, withExample, withJson } from '../cli.ts';
import { describeFailure, EXIT, usage } from '../failure.ts';
import { readJsonFile } from '../files.ts';
import { type OutOptions, withOut } from '../options.ts';
import { type DataOptions, withData } from '../target.ts';
import { type DraftOptions, readDraft, withDraft } from './draft-options.ts';

type DocumentOptions = DataOptions & OutOptions;

interface CreateOptions extends DocumentOptions, DraftOptions {
  sign?: boolean;
}

async function printDocument(cli: Cli, document: unknown, options: DocumentOptions): Promise<void> {
  if (options.out !== undefined)
    await writeText(options.out, `${JSON.stringify(document, null, 2)}\n`, options);
  else cli.printJson(document, options.json ? 0 : 2);
}

/** What needs a key and no node. The parts that sign are loaded when they are used: they take a while to load. */
export function addOffline(program: Command, cli: Cli): void {
  const create = withOut(
    withDraft(program.command('create').description('make a capsule, without a node')).option(
      '--sign',
      'sign it as well',
    ),
    'it',
  );
  withExample(
    withData(create),
    'capsule create text.summarize --input README.md --sign --out capsule.json',
  ).action(async (capability: string, text: string | undefined, options: CreateOptions) => {
    await checkTextOutput(options.out, options.force);
    const draft = await readDraft(cli.io, capability, text, options);
    const { complete, sign } = await import('../signing.ts');
    await printDocument(cli, await (options.sign ? sign : complete)(cli, draft, options), options);
  });

  const signing = withOut(
    program
      .command('sign')
      .description('complete and sign a capsule with this data directory’s key')
      .argument('<file>', 'the capsule as JSON; - is standard input'),
    'it',
  );
  withExample(withData(signing), 'capsule sign draft.json --out capsule.json').action(
    async (file: string, options: DocumentOptions) => {
      await checkTextOutput(options.out, options.force);
      const draft = await readJsonFile(cli.io, file);
      if (typeof draft === 'object' && draft !== null && Object.hasOwn(draft, 'signature')) {
        throw usage('The capsule is signed already.', 'Verify it with: capsule check FILE');
      }
      const { sign } = await import('../signing.ts');
      await printDocument(cli, await sign(cli, draft, options), options);
    },
  );

  const checking = program
    .command('check')
    .description('verify a capsule: structure, rules, times, id, signature')
    .argument('<file>', 'the capsule as JSON; - is standard input');
  withExample(withJson(checking), 'capsule check capsule.json').action(
    async (file: string, options: { json?: boolean }) => {
      const value = await readJsonFile(cli.io, file);
      const { check } = await import('../signing.ts');
      const checked = check(value);
      if (checked.ok) {
        const { id, originIdentity } = checked.capsule;
        return cli.answer(options, { valid: true, id, originIdentity }, () => `valid: ${id}`);
      }
      const { code, message } = checked.error;
      if (options.json) cli.printJson({ valid: false, code, reason: message });
      cli.note(describeFailure({ code, message }));
      cli.exitCode = EXIT.failed;
    },
  );
}
