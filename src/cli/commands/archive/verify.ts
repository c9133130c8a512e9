import { verificationReport } from '../../../archive/report.ts';
import type { Verification } from '../../../archive/types.ts';
import { verifyArchive } from '../../../archive/verify.ts';
import { MeshError, toErrorBody } from '../../../lib/errors.ts';
import type { Cli, OutputOptions } from '../../cli.ts';
import { describeFailure, EXIT, usage } from '../../failure.ts';
import { type AllowlistOptions, readAllowlist, recipientSecret } from './keys.ts';
import { components, withSource } from './open.ts';
import { oneLine } from './text.ts';
import { verificationText } from './verify-text.ts';

export interface VerifyOptions extends OutputOptions, AllowlistOptions {
  requireTrusted?: boolean;
  strict?: boolean;
  key?: string;
}

/** Verifies an archive and says what passed (archive-v0.6 "Verification levels"); exit code 0, 1 or 2. */
export async function verify(cli: Cli, file: string, options: VerifyOptions): Promise<void> {
  try {
    await verifyAndTell(cli, file, options);
  } catch (error) {
    // A script that asked for JSON gets a document whatever happens.
    if (options.json && error instanceof MeshError) cli.printJson({ ok: false, error: toErrorBody(error) });
    throw error;
  }
}

async function verifyAndTell(cli: Cli, file: string, options: VerifyOptions): Promise<void> {
  const allowlist = await readAllowlist(cli.io, options);
  if (options.requireTrusted && allowlist.length === 0)
    throw usage('--require-trusted needs to know whom you trust.', 'Name them: --allowlist KEY');
  const settings = {
    ...(allowlist.length > 0 && { allowlist }),
    ...(options.strict && { strict: true }),
    ...(await recipientSecret(cli.io, options)),
  };
  const done = await cli.interruptible(
    (signal) =>
      withSource(file, async (source) => ({
        size: source.size,
        found: await verifyArchive(components, source, { ...settings, signal }),
      })),
    () => 'Interrupted before the end: nothing is known about the archive.',
  );
  if (done === undefined) return;
  const { found, size } = done;
  if (!found.readable) return tellUnreadable(cli, options, found);
  const ok = found.ok && !(options.requireTrusted && found.trustedSigners === 0);
  if (!ok) cli.exitCode = EXIT.failed;
  cli.answer(options, { ...verificationReport(found), ok }, () =>
    verificationText({ file, size, found, ok, demands: [] }).join('\n'),
  );
}

function tellUnreadable(cli: Cli, options: VerifyOptions, found: Verification): void {
  const why = oneLine(found.findings[0]?.message ?? 'it is malformed');
  const error = { code: 'invalid_archive', message: `The archive cannot be read: ${why}.` };
  if (options.json) cli.printJson({ ...verificationReport(found), error });
  cli.note(describeFailure(error));
  cli.exitCode = EXIT.usage;
}
