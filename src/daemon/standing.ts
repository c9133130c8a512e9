import { identityOf } from '../capsule/identity.ts';
import type { Standing } from '../engine/types.ts';
import type { Config } from './config-schema.ts';

/** How far this node trusts an identity, by what its operator configured. */
export interface Standings {
  standing(identity: string): Standing;
  /** Credits that the identity may owe here. */
  creditLimit(identity: string): number;
  /** The same for all whom the operator did not name. */
  othersLimit: number;
}

/** `network.allow` makes a mesh private: none of its members is a stranger. On an open one, every identity is that the operator did not name. */
export function standingsOf(
  self: string,
  { credits, network }: Pick<Config, 'credits' | 'network'>,
): Standings {
  const known = new Map(
    Object.entries(credits.known).map(([id, limit]) => [
      /^[0-9a-f]{64}$/.test(id) ? id : identityOf(id),
      limit,
    ]),
  );
  const everybody = network.allow.length > 0;
  const othersLimit = everybody ? credits.limit : credits.strangerLimit;
  return {
    standing: (identity) => {
      if (identity === self) return 'own';
      return everybody || known.has(identity) ? 'known' : 'stranger';
    },
    creditLimit: (identity) => known.get(identity) ?? othersLimit,
    othersLimit,
  };
}
