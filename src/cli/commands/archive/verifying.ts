import type { Command } from 'commander';
import { type Cli, type OutputOptions, withExample, withJson } from '../../cli.ts';
import { bounded, several } from '../../options.ts';
import type { VerifyOptions } from './verify.ts';

export function addVerifying(program: Command, cli: Cli): void {
  const verify = bounded(program.command('verify'))
    .description('verify a capsule’s signatures, hashes and chain')
    .argument('<file>', 'the .capsule file')
    .option('--allowlist <key>', 'trust this signer: a public key, 64 hex characters; repeatable', several)
    .option('--allowlist-file <file>', 'trust the keys in this file, one a line')
    .option('--require-trusted', 'fail unless a trusted key has signed')
    .option('--strict', 'fail on what is otherwise a warning')
    .option('--key <file>', 'a recipient’s private key: verify the encrypted content as well')
    .option('--policy <file>', 'fail unless the signers meet this policy (JSON)')
    .option('--signers <file>', 'keys with their lifecycle, for the policy (JSON); repeatable', several)
    .option('--attestation <file>', 'a statement on who a signer is (JSON); repeatable', several)
    .option(
      '--trust-root <issuer=key>',
      'believe attestations of this issuer, by this key; repeatable',
      several,
    )
    .addHelpText(
      'after',
      '\nValid means that the mathematics holds; trusted, that you named the key.' +
        '\nExit code: 0 passed, 1 failed, 2 unreadable.',
    );
  withExample(
    withJson(verify),
    'capsule verify report.capsule',
    'capsule verify report.capsule --allowlist 7c6df3ac… --require-trusted --json',
  ).action(async (file: string, options: VerifyOptions) =>
    (await import('./verify.ts')).verify(cli, file, options),
  );

  const vectors = program.command('vectors').description('verify cross-implementation parity vectors');
  withExample(vectors, 'capsule vectors verify plain-basic.json');
  const parity = vectors
    .command('verify')
    .description('verify the capsule inside a vector file and compare every hash with the expected one')
    .argument('<file>', 'JSON with capsule_bytes_b64 and expected');
  withExample(withJson(parity), 'capsule vectors verify plain-basic.json').action(
    async (file: string, options: OutputOptions) =>
      (await import('./vectors.ts')).verifyVectors(cli, file, options),
  );
}
