import { EVENT_KINDS, type EventKind, type Participant } from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { nodeArchiveCrypto } from '../../src/archive/crypto/node-crypto.ts';
import { ORIGINATOR } from '../../src/archive/envelope.ts';
import { sealToBytes } from '../../src/archive/seal/seal.ts';
import { timestampOf } from '../../src/archive/strict.ts';
import type { ArchiveDraft, EventDraft, FileInput } from '../../src/archive/types.ts';
import { nodeIdOf } from '../../src/capsule/identity.ts';
import type { CapabilityApi, Intent } from '../../src/engine/capability.ts';
import { fail } from '../fail.ts';
import { isJsonObject, requiredString, stringOf } from '../payload.ts';
import { fromBase64, stringsOf, toBase64 } from './bytes.ts';

/** In base64 it stays below the 1 MiB that a result may have. */
const MAX_SEALED_BYTES = 750_000;

/**
 * Seals what is handed in, as this node. The signature says that this node sealed it for that origin, and nothing about
 * what it says: so the chain begins with an event about the request, nobody in it goes by the node's name, and everything
 * in an event's payload is marked as untrusted.
 */
export async function seal({ payload, raw }: Intent, api: CapabilityApi): Promise<JsonObject> {
  const { origin } = api.identity;
  const { seal: signer, signal } = api;
  const sealedAt = timestampOf(api.now());
  const { bytes, sealed } = await sealToBytes(
    { crypto: nodeArchiveCrypto },
    draftOf(payload, { node: signer.publicKey, origin, raw }),
    {
      signers: [
        {
          role: ORIGINATOR,
          publicKey: signer.publicKey,
          sign: (message) => signer.sign(ORIGINATOR, message),
        },
      ],
      sealedAt,
      signal,
      recipients: stringsOf(payload, 'recipients') ?? [],
    },
  );
  if (bytes.length > MAX_SEALED_BYTES)
    throw fail('too_large', `The archive has ${bytes.length} bytes; ${MAX_SEALED_BYTES} can be given back.`);
  return {
    archive: toBase64(bytes),
    capsuleId: sealed.capsuleId,
    entryHash: sealed.entryHash,
    signer: signer.publicKey,
    bytes: bytes.length,
  };
}

interface Request {
  /** 64-hex identities. */
  node: string;
  origin: string;
  /** Where the order came from. */
  raw: string;
}

function draftOf(payload: JsonObject, request: Request): ArchiveDraft {
  const [node, origin] = [nodeIdOf(request.node), nodeIdOf(request.origin)];
  const self = `system:${node}`;
  const asker = `human:${origin}`;
  const agents = stringOf(payload, 'agents');
  const events = objectsOf(payload, 'events').map(eventOf);
  const given = objectsOf(payload, 'participants').map(participantOf);
  const named = [...events.map(({ actor }) => actor), ...given.map(({ actor_id: actor }) => actor)];
  if (named.some((actor) => actor !== asker && [node, request.node].some((name) => actor.includes(name))))
    throw fail('invalid_payload', 'Nobody may go by the name of the node that seals the archive.');
  const own: Participant[] = [
    { actor_id: asker, role: 'origin', label: `asked for this archive; key ${request.origin}` },
    { actor_id: self, role: ORIGINATOR, label: 'sealed it on request' },
  ];
  return {
    program: requiredString(payload, 'program'),
    ...(agents !== undefined && { agents }),
    payload: objectsOf(payload, 'files').map(fileOf),
    participants: [
      ...own,
      ...given.filter(({ actor_id: actor }) => own.every(({ actor_id }) => actor_id !== actor)),
    ],
    originatorLabel: `sealed on request of ${origin}, not the work of node ${node}`,
    events: [
      {
        actor: self,
        kind: 'observation',
        action: 'seal_requested',
        target: 'capsule',
        payload: {
          origin: request.origin,
          request: request.raw,
          summary: 'Sealed on request, as it was handed in. The node vouches for nothing in it.',
        },
        untrusted_payload_fields: [],
      },
      ...events,
    ],
  };
}

function eventOf(event: JsonObject): EventDraft {
  const timestamp = stringOf(event, 'timestamp');
  const payload = isJsonObject(event.payload) ? event.payload : {};
  return {
    actor: requiredString(event, 'actor'),
    kind: kindOf(requiredString(event, 'kind')),
    action: requiredString(event, 'action'),
    target: requiredString(event, 'target'),
    ...(timestamp !== undefined && { timestamp }),
    payload,
    untrusted_payload_fields: Object.keys(payload).map((name) => `payload.${name}`),
  };
}

const KINDS: ReadonlyMap<string, EventKind> = new Map(EVENT_KINDS.map((kind) => [kind, kind]));

function kindOf(text: string): EventKind {
  const kind = KINDS.get(text);
  if (kind === undefined) throw fail('invalid_payload', `"kind" may not be ${JSON.stringify(text)}.`);
  return kind;
}

function participantOf(participant: JsonObject): Participant {
  const [role, label] = [stringOf(participant, 'role'), stringOf(participant, 'label')];
  return {
    actor_id: requiredString(participant, 'actor_id'),
    ...(role !== undefined && { role }),
    ...(label !== undefined && { label }),
  };
}

function fileOf(file: JsonObject): FileInput {
  const text = stringOf(file, 'text');
  const content =
    text === undefined
      ? fromBase64('base64', requiredString(file, 'base64'))
      : new TextEncoder().encode(text);
  return { path: requiredString(file, 'path'), content };
}

function objectsOf(payload: JsonObject, key: string): JsonObject[] {
  const value = payload[key] ?? [];
  if (Array.isArray(value) && value.every(isJsonObject)) return value.filter(isJsonObject);
  throw fail('invalid_payload', `"${key}" must be a list of objects.`);
}
