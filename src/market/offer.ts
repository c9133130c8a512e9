import type { Offer } from '../../protocols/messages/v1/schema.ts';
import { isWholeMicro } from '../capsule/credits.ts';
import type { Entry } from './entry.ts';
import { offeredModels } from './wanted-model.ts';

/** An offer's free-form detail beyond this many characters of JSON is dropped. */
export const MAX_DETAIL_CHARS = 2_048;
/** Details of one node's offers together; an honest advertisement has no room for more. */
const MAX_NODE_DETAIL_CHARS = 49_152;

export type WireOffer = Omit<Offer, 'locality'>;
/** What the table keeps of an offer; an entry is one. */
export type ReadOffer = Pick<
  Entry,
  'capabilityId' | 'price' | 'estimatedLatency' | 'idempotent' | 'models' | 'detail'
>;

/** Without a detail that has more than `room` characters. Undefined for a price that the ledger cannot count. */
export function readOffer(offer: WireOffer, room: number): ReadOffer | undefined {
  const { capabilityId, price, estimatedLatency, idempotent } = offer;
  if (!isWholeMicro(price)) return undefined;
  const text = offer.detail === undefined ? undefined : JSON.stringify(offer.detail);
  const fits = text !== undefined && text.length <= Math.min(room, MAX_DETAIL_CHARS);
  const models = fits ? offeredModels(capabilityId, offer.detail) : undefined;
  return { capabilityId, price, estimatedLatency, idempotent, models, detail: fits ? text : undefined };
}

/** What is kept of one advertisement, by capability; of a capability that it names twice the last. */
export function readOffers(offers: readonly WireOffer[]): Map<string, ReadOffer> {
  const read = new Map<string, ReadOffer>();
  let room = MAX_NODE_DETAIL_CHARS;
  for (const wire of offers) {
    const offer = readOffer(wire, room);
    if (offer === undefined) continue;
    room -= offer.detail?.length ?? 0;
    read.set(offer.capabilityId, offer);
  }
  return read;
}

export function sameModels(a: Entry['models'], b: Entry['models']): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((model, index) => model === b[index]);
}
