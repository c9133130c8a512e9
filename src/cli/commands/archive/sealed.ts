import type { Sealed } from '../../../archive/types.ts';
import type { Cli } from '../../cli.ts';
import { facts } from '../../format.ts';
import type { JsonOption } from '../../options.ts';
import { oneLine } from './text.ts';

/** Says what was written, after it was. */
export function tellSealed(
  cli: Cli,
  options: JsonOption,
  file: string,
  { manifest, envelope, size }: Pick<Sealed, 'manifest' | 'envelope' | 'size'>,
): void {
  const document = {
    file,
    file_size_bytes: size,
    capsule_id: manifest.id,
    first_event_hash: envelope.first_event_hash,
    entry_hash: envelope.entry_hash,
    signed_at: envelope.signed_at,
    cipher: envelope.cipher,
    signers: envelope.signers.map(({ role, public_key }) => ({ role, public_key })),
  };
  cli.answer(options, document, () =>
    facts([
      ['Sealed', `${oneLine(file)} (${String(size)} bytes)`],
      ['Capsule ID', document.capsule_id],
      ['Sealed at', document.signed_at],
      ['Encryption', document.cipher],
      ['Signers', document.signers.map(({ role, public_key: key }) => `${oneLine(role)}: ${key}`).join('\n')],
    ]),
  );
}
