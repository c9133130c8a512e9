import type { ArchiveEvent, Manifest } from '../../../../protocols/archive/v1/schema.ts';
import { PATHS } from '../../../archive/paths.ts';
import type { Cli } from '../../cli.ts';
import { type Look, lookInto } from './open.ts';
import type { LookOptions } from './options.ts';
import { byteCount, header, oneLine, section, shortHex } from './text.ts';

interface Overview {
  file: string;
  look: Look;
  chainLength: number;
  actions: [action: string, count: number][];
  payload: { path: string; size: number }[];
}

const NO_ACTION = '(none)';

/** One screen about an archive (archive-v0.6 "Command line"). */
export function inspect(cli: Cli, options: LookOptions, file: string): Promise<void> {
  return lookInto(cli, file, options, async (look) => {
    const { container, events } = look.plain ?? { container: look.outer, events: [] };
    const overview = {
      file,
      look,
      chainLength: events.length,
      actions: actionsOf(events),
      payload: [...container.entries.values()]
        .filter(({ path }) => path.startsWith(PATHS.payload))
        .map(({ path, size }) => ({ path, size }))
        .sort((a, b) => (a.path < b.path ? -1 : 1)),
    };
    cli.answer(options, documentOf(overview), () => textOf(overview).join('\n'));
  });
}

const total = (payload: Overview['payload']) => payload.reduce((sum, { size }) => sum + size, 0);

/** Most frequent first. */
function actionsOf(events: readonly ArchiveEvent[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { action = NO_ACTION } of events) counts.set(action, (counts.get(action) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
}

function documentOf({ file, look, chainLength, actions, payload }: Overview): object {
  const { manifest, envelope } = look;
  return {
    file,
    file_size_bytes: look.size,
    capsule_id: manifest.id,
    first_event_hash: manifest.first_event_hash,
    originator: manifest.originator,
    participants: manifest.participants,
    format: manifest.format,
    encryption: manifest.encryption ?? null,
    signed_at: envelope.signed_at,
    cipher: envelope.cipher,
    signers: envelope.signers.map(({ role, public_key }) => ({ role, public_key })),
    content_index_files: manifest.content_index.files.length,
    chain_length: chainLength,
    action_histogram: Object.fromEntries(actions),
    payload_files: payload,
    payload_total_bytes: total(payload),
  };
}

function textOf({ file, look, chainLength, actions, payload }: Overview): string[] {
  const { manifest, envelope } = look;
  const { format, originator, participants, content_index: index } = manifest;
  const closed = look.plain === null ? 'encrypted; --key FILE opens it' : String(chainLength);
  const width = Math.max(0, ...actions.map(([action]) => oneLine(action).length));
  return [
    ...header([
      ['File', `${file} (${byteCount(look.size)})`],
      ['Format', `${format.version} / ${format.canonicalization} / ${format.hash_algorithm}`],
      ['Capsule ID', manifest.id],
      ['Originator', originator.label || '(no label)'],
      ['  pubkey (Ed25519)', originator.public_key],
      ['Sealed at (attested)', envelope.signed_at],
      ['Encryption', envelope.cipher === 'none' ? 'none (plain)' : `${envelope.cipher} (encrypted)`],
      ['Content-index entries', String(index.files.length)],
      ['Chain length', closed],
    ]),
    ...section('Participants:', participants.map(participantLine)),
    ...section(
      'Signers:',
      envelope.signers.map(
        ({ role, public_key }) => `- ${`${oneLine(role)}:`.padEnd(13)} ${shortHex(public_key)}`,
      ),
    ),
    ...section(
      'Action histogram:',
      actions.map(([action, count]) => `${oneLine(action).padEnd(width)}  ${String(count)}`),
    ),
    ...section(
      `Payload (${String(payload.length)} ${payload.length === 1 ? 'file' : 'files'}, ${byteCount(total(payload))}):`,
      payload.map(({ path, size }) => `${oneLine(path).padEnd(48)} ${byteCount(size)}`),
    ),
    '',
    'Not verified; for that: capsule verify FILE',
  ];
}

function participantLine({ actor_id, role, label }: Manifest['participants'][number]): string {
  const named = label ? `  ${oneLine(label)}` : '';
  return `- ${oneLine(actor_id).padEnd(28)} role=${oneLine(role ?? '-')}${named}`;
}
