import type { Command } from 'commander';
import { draftSigner } from '../../api/draft.ts';
import { CapsuleDraft } from '../../api/schemas/capsules.ts';
import { createCapsule } from '../../capsule/capsule.ts';
import { checkCapsule } from '../../capsule/check-capsule.ts';
import { checkOf } from '../../capsule/validator.ts';
import { systemClock } from '../../lib/clock.ts';
import { nodeCrypto } from '../../lib/crypto-node.ts';
import { MeshError } from '../../lib/errors.ts';
import { type Cli, withExample, withJson } from '../cli.ts';
import { describeFailure, EXIT, usage } from '../failure.ts';
import { readJsonFile, writeOutput } from '../files.ts';
import { openIdentity } from '../keys.ts';
import { type DataOptions, withData } from '../target.ts';
import { type DraftOptions, readDraft, withDraft } from './draft-options.ts';

interface OutOptions extends DataOptions {
  out?: string;
}

async function printDocument(cli: Cli, document: unknown, options: OutOptions): Promise<void> {
  if (options.out === undefined) cli.print(JSON.stringify(document, null, options.json ? 0 : 2));
  else await writeOutput(options.out, `${JSON.stringify(document, null, 2)}\n`);
}

/** Completes, signs, and lets nothing out that a node would refuse. */
async function sign(cli: Cli, draft: unknown, options: DataOptions): Promise<unknown> {
  const drafts = checkOf(CapsuleDraft);
  if (!drafts.accepts(draft)) {
    throw new MeshError('invalid_capsule', `The capsule is not valid: ${drafts.explain(draft)}.`);
  }
  const signer = await openIdentity(cli, options);
  const complete = draftSigner({ signer, crypto: nodeCrypto, clock: systemClock });
  const checked = checkCapsule(nodeCrypto, complete(draft), {
    now: systemClock.now(),
  });
  if (!checked.ok) throw new MeshError(checked.error.code, checked.error.message, checked.error.detail);
  return checked.capsule;
}

export function addOffline(program: Command, cli: Cli): void {
  const create = withDraft(program.command('create').description('make a capsule, without a node'))
    .option('--sign', 'sign it as well')
    .option('--out <file>', 'write it to a file');
  withExample(
    withData(create),
    'capsule create text.summarize --input README.md --sign --out capsule.json',
  ).action(
    async (
      capability: string,
      text: string | undefined,
      options: OutOptions & DraftOptions & { sign?: boolean },
    ) => {
      const draft = await readDraft(cli.io, capability, text, options);
      if (options.sign) return printDocument(cli, await sign(cli, draft, options), options);
      const { identity } = await openIdentity(cli, options);
      return printDocument(cli, createCapsule({ ...draft, originIdentity: identity }, systemClock), options);
    },
  );

  const signing = program
    .command('sign')
    .description('complete and sign a capsule with this data directory’s key')
    .argument('<file>', 'the capsule as JSON; - is standard input')
    .option('--out <file>', 'write it to a file');
  withExample(withData(signing), 'capsule sign draft.json --out capsule.json').action(
    async (file: string, options: OutOptions) => {
      const draft = await readJsonFile(cli.io, file);
      if (typeof draft === 'object' && draft !== null && Object.hasOwn(draft, 'signature')) {
        throw usage('The capsule is signed already.', 'Verify it with: capsule check FILE');
      }
      await printDocument(cli, await sign(cli, draft, options), options);
    },
  );

  const check = program
    .command('check')
    .description('verify a capsule: structure, rules, times, id, signature, delegation')
    .argument('<file>', 'the capsule as JSON; - is standard input');
  withExample(withJson(check), 'capsule check capsule.json').action(
    async (file: string, options: { json?: boolean }) => {
      const checked = checkCapsule(nodeCrypto, await readJsonFile(cli.io, file), {
        now: systemClock.now(),
      });
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
