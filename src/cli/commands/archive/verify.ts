import type { PolicyResult } from '../../../archive/policy/signer-policy.ts';
import { verificationReport } from '../../../archive/report.ts';
import type { Verification } from '../../../archive/types.ts';
import { verifyArchive } from '../../../archive/verify.ts';
import type { Cli } from '../../cli.ts';
import { describeFailure, EXIT, usage } from '../../failure.ts';
import type { Values } from '../../option.ts';
import { readAllowlist, readingOptions } from './keys.ts';
import { components, tellKeyUnused, withSource } from './open.ts';
import type { VERIFY } from './options.ts';
import { judgeSigners, policyText, readPolicy } from './policy.ts';
import { oneLine, section } from './text.ts';
import { verificationText } from './verify-text.ts';

type VerifyOptions = Values<typeof VERIFY>;

/** Verifies an archive and says what passed (archive-v0.6 "Verification levels"); exit code 0, 1 or 2. */
export const verify = (cli: Cli, options: VerifyOptions, file: string): Promise<void> =>
  cli.documented(options, () => verifyAndTell(cli, file, options));

async function verifyAndTell(cli: Cli, file: string, options: VerifyOptions): Promise<void> {
  const allowlist = await readAllowlist(cli.io, options);
  const policy = await readPolicy(cli.io, options);
  if (options.requireTrusted && allowlist.length === 0 && (policy?.documents ?? []).length === 0)
    throw usage(
      '--require-trusted needs to know whom you trust.',
      'Name them: --allowlist KEY, or --signers FILE',
    );
  const settings = {
    ...(allowlist.length > 0 && { allowlist }),
    ...(options.strict && { strict: true }),
    ...(await readingOptions(cli.io, options)),
  };
  const done = await cli.interruptible(
    (signal) =>
      withSource(cli, file, async (source) => ({
        size: source.size,
        found: await verifyArchive(components, source, { ...settings, signal }),
      })),
    () => 'Interrupted before the end: nothing is known about the archive.',
  );
  if (done === undefined) return;
  const { found, size } = done;
  if (!found.readable) return tellUnreadable(cli, options, found);
  if (options.key !== undefined && found.envelope?.cipher === 'none') tellKeyUnused(cli);
  const judged = policy === null ? null : await judgeSigners(found, policy);
  const unmet = demandsUnmet(found, judged, options);
  const ok = found.ok && unmet.length === 0;
  if (!ok) cli.exitCode = EXIT.failed;
  const document = {
    ...verificationReport(found),
    ok,
    integrity_ok: found.ok,
    unmet,
    ...(judged !== null && { policy: judged }),
  };
  const demands = [...(judged === null ? [] : policyText(judged)), ...section('Unmet:', unmet)];
  cli.answer(options, document, () => verificationText({ file, size, found, ok, demands }).join('\n'));
}

/** What was asked for beyond the mathematics and is not there; a sentence each. */
function demandsUnmet(found: Verification, judged: PolicyResult | null, options: VerifyOptions): string[] {
  const trusted = found.trustedSigners > 0 || (judged?.signers.some(({ counts }) => counts) ?? false);
  return [
    ...(options.requireTrusted && !trusted ? ['No trusted key has signed.'] : []),
    ...(judged !== null && judged.status !== 'satisfied' && found.ok
      ? [`The policy is ${judged.status}.`]
      : []),
  ];
}

function tellUnreadable(cli: Cli, options: VerifyOptions, found: Verification): void {
  const why = oneLine(found.findings[0]?.message ?? 'it is malformed');
  const error = { code: 'invalid_archive', message: `${why}.` };
  if (options.json) cli.printJson({ ...verificationReport(found), error });
  cli.note(describeFailure(error));
  cli.exitCode = EXIT.usage;
}
