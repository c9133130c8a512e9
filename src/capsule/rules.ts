import type { Capsule, NextStep } from '../../protocols/capsule/v1/schema.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import { isWholeMicro } from './credits.ts';
import { type Refused, refuse } from './outcome.ts';
import { isAnythingPaid, type Paid, submitterOf } from './roles.ts';

/**
 * What protocol "Capsule" demands beyond the schema and whatever the time is: amounts, the depth of the tree of
 * steps, how long it may live, who may coordinate and sign, and the fields of a chain agreeing with each other. Null when
 * all hold.
 */
export function refuseByRules(capsule: Capsule): Refused | null {
  return (
    refuseDepth(capsule) ??
    refuseChainFields(capsule) ??
    refuseLifetime(capsule) ??
    refuseParties(capsule) ??
    refuseAmounts(capsule, 'paymentRule')
  );
}

/** Levels of steps below: 0 without any. */
function levelsOf(steps: readonly NextStep[] | null | undefined): number {
  if (steps === null || steps === undefined) return 0;
  return steps.reduce((deepest, step) => Math.max(deepest, 1 + levelsOf(step.next)), 0);
}

function refuseDepth(capsule: Capsule): Refused | null {
  const depth = (capsule.chainDepth ?? 0) + levelsOf(capsule.next);
  if (depth <= LIMITS.chainDepth) return null;
  return refuse(
    'depth_exceeded',
    `The chain would reach depth ${depth}; ${LIMITS.chainDepth} is the deepest allowed.`,
    { depth, limit: LIMITS.chainDepth },
  );
}

function refuseChainFields(capsule: Capsule): Refused | null {
  const spawned = (capsule.chainDepth ?? 0) > 0;
  if (spawned && capsule.parentCapsule === null)
    return refuse('invalid_capsule', 'The capsule has a "chainDepth" above 0 but no "parentCapsule".');
  if (!spawned && capsule.parentCapsule !== null)
    return refuse('invalid_capsule', 'The capsule has a "parentCapsule" but no "chainDepth" above 0.');
  if (capsule.lineage !== undefined && capsule.lineage.parent !== capsule.parentCapsule)
    return refuse('invalid_capsule', 'The capsule\'s "parentCapsule" is not the parent in its "lineage".');
  return null;
}

function refuseLifetime({ timestamp, executionPolicy }: Capsule): Refused | null {
  const latest = timestamp + LIMITS.maxLifetimeMs;
  if ((executionPolicy?.expiresAt ?? latest) <= latest) return null;
  return refuse('invalid_capsule', 'The capsule\'s "expiresAt" is more than 30 days after its "timestamp".', {
    latest,
  });
}

function refuseParties(capsule: Capsule): Refused | null {
  const { originIdentity, signer, lineage } = capsule;
  if (submitterOf(capsule) !== originIdentity && isAnythingPaid(capsule))
    return refuse(
      'invalid_capsule',
      'Only its origin may be the "submitter" of a capsule in which anything is paid.',
    );
  if (signer !== undefined && lineage === undefined)
    return refuse('invalid_capsule', 'The capsule has a "signer" but no "lineage".');
  // One form for one thing: the origin's signature needs no name beside it.
  if (signer === originIdentity)
    return refuse('invalid_capsule', 'The capsule\'s "signer" is its origin, which is left out.');
  return null;
}

function refuseAmounts(paid: Paid, path: string): Refused | null {
  const amount = paid.paymentRule?.amount;
  if (amount !== undefined && !isWholeMicro(amount))
    return refuse('invalid_capsule', `The capsule's "${path}.amount" has more than 6 decimals.`);
  for (const [index, step] of (paid.next ?? []).entries()) {
    const refused = refuseAmounts(step, `${path.replace(/paymentRule$/, '')}next.${index}.paymentRule`);
    if (refused !== null) return refused;
  }
  return null;
}
