import type { Command } from 'commander';
import { type Cli, withExample, withJson } from '../../cli.ts';
import { hexId } from '../../ids.ts';
import { amount, bounded, several } from '../../options.ts';
import { withData, withNode } from '../../target.ts';
import type { AppendOptions } from './append.ts';
import type { DecryptOptions } from './decrypt.ts';
import type { HydrateOptions } from './hydrate.ts';
import type { KeygenOptions } from './keygen.ts';
import type { SealCommandOptions } from './seal.ts';

/** Options of everything that writes an archive. */
const writing = (command: Command): Command =>
  command
    .requiredOption('-o, --out <file>', 'where to write the archive')
    .option('--force', 'replace a file that is there');

/** Options of everything that seals one. */
const sealing = (command: Command): Command =>
  writing(command)
    .option('--signer <role:keyfile>', 'sign in this role with this private key; repeatable', several)
    .option('--recipient <key>', 'encrypt to this recipient key, or file with it; repeatable', several)
    .option('--event <json>', 'append this event, or @FILE; repeatable', several)
    .option('--no-pith', 'leave summaries and statements as they are written')
    .option('--at <time>', 'sealing time, such as 2026-01-31T12:00:00Z (default: now)');

export function addWriting(program: Command, cli: Cli): void {
  const keygen = program
    .command('keygen')
    .description('generate an Ed25519 key pair that signs, and receives what is encrypted to it')
    .option('--out <dir>', 'write LABEL.public.hex, LABEL.private.hex and LABEL.recipient.hex there')
    .option('--label <name>', 'name of those files (default: capsule)')
    .option('--force', 'replace key files that are there');
  withExample(withJson(keygen), 'capsule keygen --out keys --label alice').action(
    async (options: KeygenOptions) => (await import('./keygen.ts')).keygen(cli, options),
  );

  const seal = sealing(
    program
      .command('seal')
      .description('seal a folder, or a finished workflow, into a signed capsule')
      .argument('[dir]', 'the folder'),
  )
    .option('--workflow <id>', 'seal this workflow of the running node instead of a folder', hexId)
    .option('--title <text>', 'heading of the program.md that is written where the folder has none')
    .option('--author <label>', 'what the originator is called')
    .option('--actor <actor>', 'who it is, such as human:alice or ai:gemma', 'human:originator')
    .option('--signed-skill <skill>', 'mark this skill as signed; repeatable', several)
    .option('--exclude <file>', 'leave out this file or folder of the folder; repeatable', several)
    .addHelpText(
      'after',
      '\nOf the folder, program.md, agents.md, skills/ID/skill.json and SKILL.md, events.json or events.jsonl and' +
        '\npayload/ have their places; every other file goes below payload/. Hidden files are left out;' +
        '\nkeys, tokens and identities of nodes are refused, whatever they are called.' +
        '\nWithout --signer the data directory’s identity signs as originator.',
    );
  withExample(
    withNode(seal),
    'capsule seal report -o report.capsule',
    'capsule seal report -o report.capsule --signer originator:keys/alice.private.hex --recipient keys/bob.recipient.hex',
  ).action(async (directory: string | undefined, options: SealCommandOptions) =>
    (await import('./seal.ts')).seal(cli, directory, options),
  );

  const append = sealing(
    bounded(program.command('append'))
      .description('append events to a capsule and seal it again, with its history kept')
      .argument('<file>', 'the .capsule file'),
  )
    .option('--key <file>', 'a recipient’s private key, for an encrypted capsule')
    .option('--participant <json>', 'add {actor_id, role, label}, or @FILE; repeatable', several)
    .option('--program <file>', 'replace program.md')
    .addHelpText(
      'after',
      '\nThe capsule is verified first. An encrypted one stays encrypted to the same recipients, unless --recipient' +
        '\nnames others. Without --signer the data directory’s identity signs as originator.',
    );
  withExample(
    withData(append),
    `capsule append report.capsule -o report-2.capsule --event '{"actor":"human:bob","kind":"decision","action":"approved","target":"program.md"}'`,
  ).action(async (file: string, options: AppendOptions) =>
    (await import('./append.ts')).append(cli, file, options),
  );

  const decrypt = writing(
    bounded(program.command('decrypt'))
      .description('decrypt a capsule into the plain one that it holds, verified')
      .argument('<file>', 'the encrypted .capsule file'),
  ).requiredOption('--key <file>', 'a recipient’s private key');
  withExample(
    withJson(decrypt),
    'capsule decrypt report.capsule --key keys/bob.private.hex -o plain.capsule',
  ).action(async (file: string, options: DecryptOptions) =>
    (await import('./decrypt.ts')).decrypt(cli, file, options),
  );

  addHydrate(program, cli);
}

function addHydrate(program: Command, cli: Cli): void {
  const hydrate = bounded(program.command('hydrate'))
    .description('hydrate a model of the mesh with a verified capsule, and append what it says')
    .argument('<file>', 'the .capsule file')
    .option('-o, --out <file>', 'where to write the archive')
    .option('--force', 'replace a file that is there')
    .option('--capability <name>', 'who is asked', 'ai.chat')
    .option('--task <text>', 'what is asked (default: what was done, what is open, what is next)')
    .option('--print', 'print what the model would see, and stop; no node needed')
    .option('--key <file>', 'a recipient’s private key, for an encrypted capsule')
    .option(
      '--allowlist <key>',
      'trust this signer: its signed skills become instructions; repeatable',
      several,
    )
    .option('--allowlist-file <file>', 'trust the keys in this file, one a line')
    .option('--signer <role:keyfile>', 'sign in this role with this private key; repeatable', several)
    .option('--on <node>', 'only this node may answer; needed for an encrypted capsule')
    .option('--pay <n>', 'credits offered for it', amount)
    .addHelpText(
      'after',
      '\nThe model sees nothing of a capsule that does not verify. What it sees goes to the node that answers; for an' +
        '\nencrypted capsule that node has to be named: --on NODE.',
    );
  withExample(
    withNode(hydrate),
    'capsule hydrate report.capsule --task "What is missing?" -o report-2.capsule',
    'capsule hydrate report.capsule --print',
  ).action(async (file: string, options: HydrateOptions) =>
    (await import('./hydrate.ts')).hydrate(cli, file, options),
  );
}
