import { canonicalText } from '../primitives.ts';
import { DOMAINS, hashOf, leaseHash, leaseOf, rootCapsule } from './documents.ts';
import { alice, carol, mallory, signHash } from './keys.ts';
import type { Vectors } from './vector.ts';

const capsule = rootCapsule();
const lease = leaseOf(capsule);
const { signature: _, ...unsigned } = lease;
const { price: __, ...unpriced } = unsigned;

export function addAssignments(vectors: Vectors): void {
  const put = (path: string, vector: object) => vectors.set(`assignment/v1/vectors/${path}.json`, vector);
  const accept = (path: string, description: string, signer: string, assignment: typeof lease) => {
    const { signature: ___, ...covered } = assignment;
    put(`valid/${path}`, { description, signer, canonical: canonicalText(covered), assignment });
  };
  const refuse = (path: string, description: string, assignment: object) =>
    put(`invalid/${path}`, { description, code: 'lease_invalid', assignment });
  const signedOver = (body: object) => ({
    ...body,
    signature: signHash(alice, DOMAINS.assignment, hashOf(body)),
  });

  accept('01-lease', 'A grant by the origin itself', 'alice', lease);
  accept(
    '02-by-a-later-coordinator',
    'A grant by the node that continues the chain',
    'carol',
    leaseOf(capsule, { epoch: 7 }, carol),
  );
  const paid = rootCapsule({ paymentRule: { type: 'credit', amount: 2.5, charge: 'price' } });
  accept(
    '03-at-a-price',
    'Below the amount of the capsule, which is a ceiling',
    'alice',
    leaseOf(paid, { price: 0.000001 }),
  );

  refuse('01-other-executor', "Mallory puts herself in Bob's place", {
    ...lease,
    executor: mallory.identity,
  });
  refuse('02-higher-epoch', 'The epoch raised after signing', { ...lease, epoch: 2 });
  refuse('03-signed-by-another', 'Not signed by the coordinator', {
    ...lease,
    signature: signHash(mallory, DOMAINS.assignment, leaseHash(lease)),
  });
  refuse(
    '04-unknown-field',
    'A field that version 1 does not have',
    signedOver({ ...unsigned, replyTo: alice.nodeId }),
  );
  refuse('05-epoch-zero', 'Epochs count from 1', signedOver({ ...unsigned, epoch: 0 }));
  refuse('06-no-price', 'The price is said even where it is 0', signedOver(unpriced));
  refuse('07-signed-in-another-domain', 'A signature of the same hash as a settlement', {
    ...lease,
    signature: signHash(alice, DOMAINS.settlement, leaseHash(lease)),
  });
  refuse('08-not-signed', 'Where a signature is required', unsigned);
  refuse('09-higher-price', 'The price raised after signing', { ...lease, price: 1 });
}
