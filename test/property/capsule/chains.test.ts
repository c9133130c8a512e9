import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Capsule, ExecutionPolicy, NextStep } from '../../../protocols/capsule/v1/schema.ts';
import type { Proof } from '../../../protocols/messages/v1/schema.ts';
import { checkCapsule } from '../../../src/capsule/check-capsule.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { childOf, proofOf, rootCapsule } from '../../support/documents.ts';
import { alice, bob, carol, mallory, type TestKey } from '../../support/keys.ts';

/** One link of a chain: who continues it, and who really leased, ran, and signed. Alice is the origin. */
interface Link {
  continueAt: 'submitter' | 'executor';
  /** Null: the executor of the link before. */
  coordinator: TestKey | null;
  executor: TestKey;
  signer: TestKey;
}

const anybody = fc.constantFrom(alice, bob, carol, mallory);
const link = fc.record<Link>({
  continueAt: fc.constantFrom('submitter', 'executor', 'executor'),
  coordinator: fc.option(anybody, { freq: 1 }),
  executor: anybody,
  signer: anybody,
});
const chain = fc.record({
  submitter: fc.constantFrom(alice, carol),
  links: fc.array(link, { minLength: 1, maxLength: 5 }),
  /** How often what is made up is replaced by what is allowed, so that long chains hold, too. */
  honest: fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
});

function stepsOf(links: readonly Link[]): NextStep[] | null {
  const [first, ...rest] = links;
  if (first === undefined) return null;
  const policy = { executionPolicy: { continueAt: first.continueAt } };
  const step = { requestedCapability: 'text.stats', payloadTemplate: { n: '$result.n' }, ...policy };
  return [{ ...step, next: rest.length === 0 ? [] : stepsOf(rest) }];
}

function rootOf(links: readonly Link[], submitter: TestKey): Capsule {
  const executionPolicy: ExecutionPolicy = {
    continueAt: links[0]?.continueAt ?? 'submitter',
    ...(submitter === alice ? {} : { submitter: submitter.identity }),
  };
  const last: Link = { continueAt: 'submitter', coordinator: alice, executor: bob, signer: alice };
  return rootCapsule({ executionPolicy, next: stepsOf([...links.slice(1), last]) });
}

it('a chain holds if and only if all who leased and signed in it since its origin did were entitled to', () => {
  let held = 0;
  fc.assert(
    fc.property(chain, ({ submitter, links, honest }) => {
      let capsule = rootOf(links, submitter);
      let proofs: Proof[] = [];
      let before: Link | null = null;
      let holds = true;
      for (const [index, made] of links.entries()) {
        const mayLease = before?.continueAt === 'executor' ? [submitter, before.executor] : [submitter];
        const maySign = made.continueAt === 'executor' ? [submitter, made.executor] : [submitter];
        const coordinator = honest[2 * index]
          ? (mayLease.at(-1) ?? submitter)
          : (made.coordinator ?? before?.executor ?? alice);
        const signer = honest[2 * index + 1] ? (maySign.at(-1) ?? submitter) : made.signer;
        const proof = proofOf(capsule, { n: index }, { coordinator, executor: made.executor });
        capsule = childOf(proof, signer);
        proofs = [...proofs, proof];
        holds &&= mayLease.includes(coordinator) && maySign.includes(signer);
        before = made;
        // What the origin signs is beyond doubt, and nothing before it counts.
        if (signer === alice) [proofs, holds, before] = [[], true, null];
        const checked = checkCapsule(nodeCrypto, capsule, { now: capsule.timestamp, proofs });
        expect(checked).toMatchObject(holds ? { ok: true } : { error: { code: 'lineage_invalid' } });
        if (holds && proofs.length > 2) held += 1;
      }
    }),
    { numRuns: 150, seed: 7 },
  );
  expect(held).toBeGreaterThan(0);
});
