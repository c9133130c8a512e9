import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { CapabilityAdvertisement, Offer } from '../../protocols/messages/v1/schema.ts';
import { MAX_DETAIL_CHARS } from './offer.ts';

/** Bytes of offers up to which details go along: a message must stay under gossip's 64 KiB. */
const OFFER_BYTES = 49_152;
/** Schema maximum of an estimate in seconds. */
const MAX_LATENCY_S = 86_400;

/** Source of this node's offers; the engine is one. */
export interface OffersSource {
  offers(): readonly {
    capability: { id: string; idempotent: boolean };
    price: number;
    estimatedLatency: number;
    detail?: Record<string, unknown>;
  }[];
  /** Called after anything but a latency changed. Returns the removal. */
  onOffersChanged(listener: () => void): () => void;
}

type LocalOffers = ReturnType<OffersSource['offers']>;

interface Advertised extends Pick<CapabilityAdvertisement, 'nodeId' | 'sequence' | 'timestamp' | 'session'> {
  offers: LocalOffers;
  /** Where it can be dialled; a node that says goodbye needs none. */
  addresses?: readonly string[];
}

/** The message by which a node says all that it offers; without offers it is its goodbye. */
export function advertisementOf(advertised: Advertised): CapabilityAdvertisement {
  const { nodeId, offers, addresses, sequence, timestamp, session } = advertised;
  return {
    type: 'capability_advertisement',
    nodeId,
    encryptionKey: null,
    capabilities: offersOnWire(offers),
    ...(addresses !== undefined && { addresses: addressesOnWire(addresses) }),
    sequence,
    timestamp,
    ...(session !== undefined && { session }),
  };
}

/** Offers as others read them. Details go along while there is room. */
export function offersOnWire(offers: LocalOffers): Offer[] {
  const local = offers.slice(0, LIMITS.capabilitiesPerAdvertisement);
  const plain = local.map(({ capability, price, estimatedLatency }): Offer => {
    const seconds = Math.min(estimatedLatency, MAX_LATENCY_S);
    const { id: capabilityId, idempotent } = capability;
    return { capabilityId, price, estimatedLatency: seconds, locality: 'local', idempotent };
  });
  let room = OFFER_BYTES - Buffer.byteLength(JSON.stringify(plain));
  return plain.map((offer, index) => {
    const detail = local[index]?.detail;
    if (detail === undefined) return offer;
    const text = JSON.stringify(detail);
    const bytes = Buffer.byteLength(text);
    if (text.length > MAX_DETAIL_CHARS || bytes > room) return offer;
    room -= bytes;
    return { ...offer, detail };
  });
}

function addressesOnWire(addresses: readonly string[]): string[] {
  return addresses
    .filter((address) => address.length <= LIMITS.addressChars)
    .slice(0, LIMITS.addressesPerAdvertisement);
}
