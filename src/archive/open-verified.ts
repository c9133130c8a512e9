import { MeshError } from '../lib/errors.ts';
import type { ArchiveComponents, ByteSource, OpenedArchive, Verification, VerifyOptions } from './types.ts';
import { verifyLayers } from './verify.ts';

/**
 * An archive to work with: verified first, so that nothing of one that fails can reach anybody (archive-v0.6
 * "Hydration"). Throws `invalid_archive` where it cannot be read, `unverified_archive` where it does not verify, with
 * the failing areas and findings as detail; `not_a_recipient`; and `key_required` for an encrypted one
 * without a recipient's secret.
 */
export async function openArchive(
  components: ArchiveComponents,
  input: Uint8Array | ByteSource,
  options: VerifyOptions = {},
): Promise<OpenedArchive> {
  const { verification, plain, decryption } = await verifyLayers(components, input, options);
  if (!verification.ok) throw refusalOf(verification);
  if (!plain?.container || plain.manifest === null || plain.envelope === null)
    throw new MeshError('key_required', "The archive is encrypted: a recipient's key is needed to open it.");
  const { container, manifest, envelope } = plain;
  const { events } = verification;
  return { verification, container, manifest: manifest.value, envelope: envelope.value, events, decryption };
}

function refusalOf({ readable, failing, findings }: Verification): MeshError {
  const first = findings[0]?.message ?? 'it is malformed';
  if (!readable)
    return new MeshError('invalid_archive', `The archive cannot be read: ${first}.`, { findings });
  const message = `The archive does not verify (${failing.join(', ')}): ${first}.`;
  return new MeshError('unverified_archive', message, { failing, findings });
}
