import { isWholeMicro } from '../capsule/credits.ts';
import { MeshError } from '../lib/errors.ts';
import type { Config } from './config-schema.ts';

/** Credits by capability id. Throws `config_invalid` for a price that the ledger cannot count. */
export function pricesOf({ capabilities: { prices } }: Config): ReadonlyMap<string, number> {
  for (const [capability, price] of Object.entries(prices)) {
    if (isWholeMicro(price)) continue;
    const detail = { path: `capabilities.prices.${capability}`, found: price, allowed: 'at most 6 decimals' };
    throw new MeshError('config_invalid', `The price of ${capability} has more than 6 decimals.`, detail);
  }
  return new Map(Object.entries(prices));
}
