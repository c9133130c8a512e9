import { type Static, type TSchema, Type } from 'typebox';
import { closed, JsonObject, type JsonValue } from '../../../protocols/common/v1/schema.ts';
import { checkOf } from '../../lib/check.ts';
import { MeshError } from '../../lib/errors.ts';
import { fromHex, toHex } from '../../lib/hex.ts';
import type { CapabilityApi, OnDelta } from '../capability.ts';
import { MAX_SIGNED_BYTES } from './bounds.ts';

/** What a room may ask of the node; a probe has the models only. */
export type AskedApi = Pick<CapabilityApi, 'models'> &
  Partial<Pick<CapabilityApi, 'storage' | 'network' | 'seal'>>;

type Answer = (api: AskedApi, onDelta: OnDelta) => Promise<JsonValue | undefined>;

const Key = Type.String();
/** Parsed from JSON, so it can be nothing else. */
const Value = Type.Unsafe<JsonValue>(Type.Unknown());
const Headers = Type.Record(Type.String(), Type.String());
const ToolCall = Type.Object({ name: Type.String(), arguments: JsonObject }, closed);
const ChatMessage = Type.Object(
  {
    role: Type.Union([
      Type.Literal('system'),
      Type.Literal('user'),
      Type.Literal('assistant'),
      Type.Literal('tool'),
    ]),
    content: Type.String(),
    images: Type.Optional(Type.Array(Type.String())),
    toolCalls: Type.Optional(Type.Array(ToolCall)),
    toolName: Type.Optional(Type.String()),
  },
  closed,
);
const Think = Type.Union([Type.Boolean(), Type.Literal('low'), Type.Literal('medium'), Type.Literal('high')]);
const ContextTokens = Type.Optional(Type.Integer({ minimum: 1 }));

/** By the name that a request has. Values of the storage are judged where they are stored. */
const SERVICES: ReadonlyMap<string, (body: unknown) => Answer> = new Map([
  service('storage.get', Type.Object({ key: Key }, closed), (api, { key }) => storageOf(api).get(key)),
  service('storage.put', Type.Object({ key: Key, value: Value }, closed), (api, { key, value }) =>
    done(storageOf(api).put(key, value)),
  ),
  service('storage.delete', Type.Object({ key: Key }, closed), (api, { key }) =>
    done(storageOf(api).delete(key)),
  ),
  service(
    'storage.list',
    Type.Object(
      {
        prefix: Type.Optional(Type.String()),
        after: Type.Optional(Type.String()),
        limit: Type.Optional(Type.Number()),
      },
      closed,
    ),
    (api, options) => storageOf(api).list(options),
  ),
  service(
    'network.fetch',
    Type.Object(
      {
        url: Type.String(),
        method: Type.Optional(Type.String()),
        headers: Type.Optional(Headers),
        body: Type.Optional(Type.String()),
      },
      closed,
    ),
    (api, { url, ...init }) => networkOf(api).fetch(url, init),
  ),
  service(
    'network.webhook',
    Type.Object({ name: Type.String(), headers: Type.Optional(Headers), body: Type.String() }, closed),
    (api, { name, ...init }) => networkOf(api).webhook(name, init),
  ),
  service('models.list', Type.Object({}, closed), async ({ models }) =>
    (await models.list()).map((model) => ({ ...model })),
  ),
  service(
    'models.chat',
    Type.Object(
      {
        model: Type.String(),
        messages: Type.Array(ChatMessage),
        options: Type.Optional(JsonObject),
        format: Type.Optional(JsonObject),
        tools: Type.Optional(Type.Array(JsonObject)),
        think: Type.Optional(Think),
        keepAlive: Type.Optional(Type.Number({ minimum: 0 })),
        contextTokens: ContextTokens,
        stream: Type.Boolean(),
      },
      closed,
    ),
    async ({ models }, { stream, ...request }, onDelta) =>
      json(await models.chat(request, stream ? onDelta : undefined)),
  ),
  service(
    'models.embed',
    Type.Object(
      { model: Type.String(), input: Type.Array(Type.String()), contextTokens: ContextTokens },
      closed,
    ),
    async ({ models }, request) => json(await models.embed(request)),
  ),
  service(
    'seal.sign',
    Type.Object(
      {
        role: Type.String(),
        message: Type.String({ pattern: '^([0-9a-f]{2})*$', maxLength: 2 * MAX_SIGNED_BYTES }),
      },
      closed,
    ),
    async (api, { role, message }) => toHex(await sealOf(api).sign(role, fromHex(message))),
  ),
]);

/** What a request asks for, ready to be done. Throws `invalid_request` where that cannot be told. */
export function readRequest(name: string, body: unknown): Answer {
  const read = SERVICES.get(name);
  if (read === undefined) throw new MeshError('invalid_request', 'The API has no such call.');
  return read(body);
}

function service<S extends TSchema>(
  name: string,
  schema: S,
  answer: (api: AskedApi, body: Static<S>, onDelta: OnDelta) => Promise<JsonValue | undefined>,
): [string, (body: unknown) => Answer] {
  const check = checkOf(schema);
  return [
    name,
    (body) => {
      if (check.accepts(body)) return (api, onDelta) => answer(api, body, onDelta);
      throw new MeshError('invalid_request', `The call of ${name} is not valid: ${check.explain(body)}.`);
    },
  ];
}

async function done(work: Promise<void>): Promise<undefined> {
  await work;
}

/** What a model server's client gave, as plain JSON. */
function json(value: object): JsonValue {
  return JSON.parse(JSON.stringify(value));
}

function storageOf({ storage }: AskedApi): CapabilityApi['storage'] {
  return storage ?? absent();
}

function networkOf({ network }: AskedApi): CapabilityApi['network'] {
  return network ?? absent();
}

function sealOf({ seal }: AskedApi): CapabilityApi['seal'] {
  return seal ?? absent();
}

function absent(): never {
  throw new MeshError('permission_denied', 'A probe has no such part of the API.');
}
