import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import type { CapabilityApi } from '../../src/engine/capability.ts';
import { fail } from '../fail.ts';
import { isJsonObject } from '../payload.ts';
import { metaKey, toEntry, usageKey } from './keys.ts';

/** What somebody keeps here. */
interface Usage {
  bytes: number;
  items: number;
}

/** Documents of all origins together: of the 100,000 keys that the engine has for a module, each may take three. */
export const MAX_ITEMS = 33_000;
/** Bytes of all values together; the rest of the 1 GiB that the engine has for a module is for what stands beside them. */
export const MAX_BYTES = 1_006_632_960;
/** What one origin may keep that is not the node's own, unless the configuration says otherwise. */
const ORIGIN_BYTES = 67_108_864;
const ORIGIN_ITEMS = 10_000;
/** Of all together: what others than the node's own identity may fill, and what strangers may, whose identities cost nothing. */
const SHARES = { known: 3 / 4, stranger: 1 / 4 } as const;

type Group = keyof typeof SHARES;

/**
 * Books that `key` will hold `next`; the engine lets no other intent in between. Throws `too_large` with the numbers
 * where the origin has too much, or all like it together, so that the node's own identity finds its share free.
 */
export async function account(api: CapabilityApi, key: string, next: Usage): Promise<void> {
  const { origin, standing } = api.identity;
  const before = await api.storage.get(usageKey(origin));
  const had = usageOf(before);
  const change = minus(next, await replacedBy(api, key));
  const has = plus(had, change);
  // Whoever the operator names later counts as named from the next document on.
  const group = standing === 'own' ? undefined : standing;
  const bookedIn = groupIn(before);
  const totals = { known: await totalOf(api, 'known'), stranger: await totalOf(api, 'stranger') };
  if (bookedIn !== undefined) totals[bookedIn] = minus(totals[bookedIn], had);
  if (group !== undefined) totals[group] = plus(totals[group], has);
  if (change.bytes > 0 || change.items > 0) {
    const others = plus(totals.known, totals.stranger);
    if (group === undefined) {
      assertFits(plus(others, has), { bytes: MAX_BYTES, items: MAX_ITEMS }, 'This node keeps');
    } else {
      assertFits(has, limitsOf(api.config), 'You keep');
      assertFits(others, shareOf('known'), 'This node keeps for others');
      if (group === 'stranger')
        assertFits(totals.stranger, shareOf('stranger'), 'This node keeps for strangers');
    }
  }
  await put(api, origin, has, group);
  for (const each of ['known', 'stranger'] as const)
    if (each === group || each === bookedIn) await put(api, each, totals[each]);
}

function assertFits(usage: Usage, most: Usage, who: string): void {
  if (usage.bytes <= most.bytes && usage.items <= most.items) return;
  throw fail(
    'too_large',
    `${who} at most ${most.items} documents and ${most.bytes} bytes; this would make ${usage.items} and ${usage.bytes}.`,
  );
}

/** Nothing is left behind of an origin that has nothing: identities cost nothing, and keys are counted. */
async function put(api: CapabilityApi, holder: string, usage: Usage, group?: Group): Promise<void> {
  const { bytes, items } = usage;
  if (items === 0) await api.storage.delete(usageKey(holder));
  else await api.storage.put(usageKey(holder), { bytes, items, ...(group && { group }) });
}

async function replacedBy(api: CapabilityApi, key: string): Promise<Usage> {
  const previous = await api.storage.get(metaKey(api.identity.origin, key));
  return isJsonObject(previous) ? { bytes: toEntry(previous).bytes, items: 1 } : { bytes: 0, items: 0 };
}

async function totalOf(api: CapabilityApi, group: Group): Promise<Usage> {
  return usageOf(await api.storage.get(usageKey(group)));
}

function usageOf(stored: JsonValue | undefined): Usage {
  const { bytes = 0, items = 0 } = isJsonObject(stored) ? stored : {};
  return { bytes: Number(bytes), items: Number(items) };
}

function groupIn(stored: JsonValue | undefined): Group | undefined {
  const group = isJsonObject(stored) ? stored.group : undefined;
  return group === 'known' || group === 'stranger' ? group : undefined;
}

function shareOf(group: Group): Usage {
  return { bytes: Math.floor(MAX_BYTES * SHARES[group]), items: Math.floor(MAX_ITEMS * SHARES[group]) };
}

function limitsOf(config: JsonObject): Usage {
  return {
    bytes: limitOf(config, 'maxBytesPerOrigin', ORIGIN_BYTES),
    items: limitOf(config, 'maxItemsPerOrigin', ORIGIN_ITEMS),
  };
}

function limitOf(config: JsonObject, key: string, preset: number): number {
  const value = config[key] ?? preset;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1) {
    throw fail('config_invalid', `"${key}" of the data capability must be a whole number above 0.`);
  }
  return value;
}

function plus(a: Usage, b: Usage): Usage {
  return { bytes: a.bytes + b.bytes, items: a.items + b.items };
}

function minus(a: Usage, b: Usage): Usage {
  return { bytes: a.bytes - b.bytes, items: a.items - b.items };
}
