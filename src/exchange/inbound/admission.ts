import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ErrorBody, ErrorCode } from '../../../protocols/common/v1/errors.ts';
import { toMicro } from '../../capsule/credits.ts';
import { capsuleToIntent } from '../../capsule/intent.ts';
import { expiryOf } from '../../capsule/roles.ts';
import type { LocalOffer } from '../../engine/types.ts';
import type { Census } from '../census.ts';
import type { ExchangeComponents } from '../components.ts';
import type { Tickets } from '../effects/tickets.ts';

type Components = Pick<ExchangeComponents, 'engine' | 'ledger' | 'signer' | 'capsules' | 'standing'> & {
  census: Census;
  tickets: Tickets;
};

/** Whether this node takes others' work: privacy, price, credit, quotas, a place (protocol "Privacy", "Credits"). */
export class Admission {
  readonly #components: Components;

  constructor(components: Components) {
    this.#components = components;
  }

  /**
   * Takes a place for an order that has been verified, at the price of its lease in credits. Null, or why not; then
   * nothing is taken.
   */
  take(from: string, capsule: Capsule, price: number): ErrorBody | null {
    const { engine, ledger, census, tickets, standing } = this.#components;
    const { originIdentity: origin, requestedCapability } = capsule;
    const share = standing(origin);
    const refusal = this.#refusal(capsule, price) ?? census.refusal({ origin, peer: from, share });
    if (refusal !== null) return refusal;
    const ticket = engine.admit(requestedCapability, origin);
    if ('code' in ticket) return ticket;
    tickets.put(capsule.id, ticket);
    // Counted from now on, before the run begins.
    if (price > 0 && share !== 'own') ledger.reserve(capsule.id, origin, toMicro(price));
    return null;
  }

  /** What this node would run for the capsule. */
  offer(capsule: Capsule): LocalOffer | undefined {
    return this.#components.engine.offer(capsule.requestedCapability, capsuleToIntent(capsule).action);
  }

  #refusal(capsule: Capsule, price: number): ErrorBody | null {
    const { ledger, signer, capsules, standing } = this.#components;
    const { id, originIdentity: origin, privacyRule, requestedCapability, paymentRule } = capsule;
    const own = origin === signer.identity;
    if (privacyRule === 'encrypted')
      return refuse('encrypted_unsupported', 'Encrypted capsules are not supported by this version.');
    if (privacyRule === 'restricted' && !own)
      return refuse('restricted', "A restricted capsule runs only on its origin's own node.");
    if (expiryOf(capsule) <= capsules.ageNow()) return refuse('expired', 'The capsule has expired.');
    if (capsules.ended.has(id)) return refuse('conflict', 'This capsule was executed here before.');
    if (standing(origin) === 'stranger' && capsules.ended.refuses(capsule.timestamp))
      return refuse('expired', 'The capsule is older than what this node remembers of strangers.');
    const offer = this.offer(capsule);
    if (offer === undefined)
      return refuse('capability_unavailable', `This node does not offer ${requestedCapability} now.`);
    if (own) return null;
    if (toMicro(offer.price) > toMicro(price))
      return refuse('payment_required', `${requestedCapability} costs ${offer.price} credits here.`);
    if (price === 0) return null;
    if (ledger.booked(`capsule:${id}`)) return refuse('conflict', 'This capsule was paid here before.');
    if (!ledger.canPay(origin, toMicro(price), paymentRule?.requirePrepay === true))
      return refuse('insufficient_credit', "The origin's credit at this node does not cover the price.");
    return null;
  }
}

function refuse(code: ErrorCode, message: string): ErrorBody {
  return { code, message };
}
