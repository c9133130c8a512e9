import type { TSchema } from 'typebox';
import {
  ArchiveEvent,
  DecryptionMetadata,
  Envelope,
  IdentityAttestation,
  Manifest,
  SignerPolicy,
  SignersDocument,
} from './archive/v1/schema.ts';
import { Assignment } from './assignment/v1/schema.ts';
import { Capsule } from './capsule/v1/schema.ts';
import { CapabilityManifest } from './manifest/v1/schema.ts';
import { CapsuleAnnounce, ExchangeMessages, GossipMessage } from './messages/v1/schema.ts';
import { Receipt } from './receipt/v1/schema.ts';
import { Settlement } from './settlement/v1/schema.ts';

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

const published = (title: string, schema: TSchema): object => ({ $schema: DIALECT, title, ...schema });

/** Each message by its type, so that `#/$defs/<type>` is one of them; the root is any of the exchange stream. */
function messages(): object {
  const definitions = { ...ExchangeMessages, capsule_announce: CapsuleAnnounce, gossip: GossipMessage };
  return {
    $schema: DIALECT,
    title: 'Message of the exchange stream',
    anyOf: Object.keys(ExchangeMessages).map((type) => ({ $ref: `#/$defs/${type}` })),
    $defs: definitions,
  };
}

/** Every document in and about an archive, as `#/$defs/<name>`; the root is the manifest. */
function archive(): object {
  return {
    $schema: DIALECT,
    title: 'Documents of a .capsule archive',
    $ref: '#/$defs/manifest',
    $defs: {
      manifest: Manifest,
      event: ArchiveEvent,
      envelope: Envelope,
      decryption: DecryptionMetadata,
      signers: SignersDocument,
      attestation: IdentityAttestation,
      policy: SignerPolicy,
    },
  };
}

/** What `protocols/<name>/v1/schema.json` holds, by name: JSON Schema 2020-12 from the schemas that validate. */
export function publishedSchemas(): Map<string, object> {
  return new Map([
    ['capsule', published('Capsule', Capsule)],
    ['receipt', published('Receipt', Receipt)],
    ['assignment', published('Assignment', Assignment)],
    ['settlement', published('Settlement', Settlement)],
    ['manifest', published('Capability manifest', CapabilityManifest)],
    ['messages', messages()],
    ['archive', archive()],
  ]);
}
