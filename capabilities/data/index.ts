import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import type { CapabilityApi, Intent } from '../../src/engine/capability.ts';
import { actions } from '../actions.ts';
import { fail } from '../fail.ts';
import { integerOf, isJsonObject, requiredString, stringOf } from '../payload.ts';
import { checkKey, metaKey, metaPrefix, toEntry, valueKey } from './keys.ts';
import { account } from './quota.ts';

/** Bytes of the canonical value: below what the engine stores under one key. */
const MAX_VALUE_BYTES = 256_000;
/** Levels of the value: what a result can give back. */
const MAX_VALUE_DEPTH = 40;
const PAGE = { default: 50, min: 1, max: 200 };

/** Documents by key or by content, each origin's apart from all others'. */
export const run = actions({
  'data.store': store,
  'data.get': get,
  'data.list': list,
  'data.delete': remove,
});

async function store({ payload }: Intent, api: CapabilityApi): Promise<JsonObject> {
  const { value, mediaType } = document(payload);
  const canonical = canonicalize(value);
  if (canonical === undefined) throw fail('invalid_payload', 'The value has no canonical JSON form.');
  const bytes = Buffer.byteLength(canonical);
  if (bytes > MAX_VALUE_BYTES) {
    throw fail(
      'too_large',
      `The value has ${bytes} bytes of canonical JSON; ${MAX_VALUE_BYTES} are allowed.`,
    );
  }
  if (depthOf(value) > MAX_VALUE_DEPTH) {
    throw fail('too_large', `The value nests deeper than ${MAX_VALUE_DEPTH} levels.`);
  }
  const sha256 = createHash('sha256').update(canonical).digest('hex');
  const key = checkKey(stringOf(payload, 'key') ?? sha256);
  const { origin } = api.identity;
  await account(api, key, { bytes, items: 1 });
  const entry = { bytes, sha256, mediaType, storedAt: api.now() };
  await api.storage.put(metaKey(origin, key), entry);
  await api.storage.put(valueKey(origin, key), value);
  return { key, ...entry };
}

async function get({ payload }: Intent, api: CapabilityApi): Promise<JsonObject> {
  const key = checkKey(requiredString(payload, 'key'));
  const { origin } = api.identity;
  const meta = await api.storage.get(metaKey(origin, key));
  const value = await api.storage.get(valueKey(origin, key));
  if (!isJsonObject(meta) || value === undefined) {
    throw fail('not_found', `Nothing is stored here under "${key}" for you.`);
  }
  return { key, value, ...toEntry(meta) };
}

async function list({ payload }: Intent, api: CapabilityApi): Promise<JsonObject> {
  const limit = integerOf(payload, 'limit', PAGE);
  const scope = metaPrefix(api.identity.origin);
  const after = stringOf(payload, 'after');
  // One more than asked for tells whether there is another page.
  const keys = await api.storage.list({
    prefix: scope + (stringOf(payload, 'prefix') ?? ''),
    ...(after === undefined ? {} : { after: scope + after }),
    limit: limit + 1,
  });
  const items: JsonObject[] = [];
  for (const stored of keys.slice(0, limit)) {
    const meta = await api.storage.get(stored);
    if (isJsonObject(meta)) items.push({ key: stored.slice(scope.length), ...toEntry(meta) });
  }
  const last = items.at(-1)?.key;
  return { items, next: keys.length > limit && last !== undefined ? last : null };
}

async function remove({ payload }: Intent, api: CapabilityApi): Promise<JsonObject> {
  const key = checkKey(requiredString(payload, 'key'));
  const { origin } = api.identity;
  const deleted = (await api.storage.get(metaKey(origin, key))) !== undefined;
  if (deleted) {
    await account(api, key, { bytes: 0, items: 0 });
    await api.storage.delete(metaKey(origin, key));
    await api.storage.delete(valueKey(origin, key));
  }
  return { key, deleted };
}

function document(payload: JsonObject): { value: JsonValue; mediaType: string } {
  const content = stringOf(payload, 'content');
  const mediaType = stringOf(payload, 'mediaType');
  if (content !== undefined) {
    if (payload.value !== undefined) throw fail('invalid_payload', 'Give "value" or "content", not both.');
    return { value: content, mediaType: mediaType ?? 'text/plain' };
  }
  if (payload.value === undefined)
    throw fail('invalid_payload', 'One of "value" and "content" must be given.');
  return { value: payload.value, mediaType: mediaType ?? 'application/json' };
}

/** A capsule nests 64 levels at most, so recursion is safe. */
function depthOf(value: JsonValue): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Object.values(value).reduce<number>((deepest, item) => Math.max(deepest, depthOf(item)), 0);
}
