import { LRUCache } from 'lru-cache';
import { base58btc } from 'multiformats/bases/base58';
import { MeshError } from '../lib/errors.ts';
import { fromHex, toHex } from '../lib/hex.ts';

/** Names of peers in use; a base58 conversion costs more than a look-up. */
const CACHED_NAMES = 4096;
/** Identity multihash of a 36-byte libp2p public key message: key type Ed25519, 32 bytes of key. */
const PREFIX_HEX = '002408011220';
const KEY_HEX_CHARS = 64;
const NODE_ID_CHARS = 52;

const nodeIds = new LRUCache<string, string>({ max: CACHED_NAMES });
const identities = new LRUCache<string, string>({ max: CACHED_NAMES });

/** The libp2p peer id of a 64-hex Ed25519 public key. Throws `invalid_request`. */
export function nodeIdOf(identity: string): string {
  const known = nodeIds.get(identity);
  if (known !== undefined) return known;
  if (!/^[0-9a-f]{64}$/.test(identity))
    throw new MeshError('invalid_request', 'An identity is 64 lowercase hex characters.');
  const nodeId = base58btc.baseEncode(fromHex(PREFIX_HEX + identity));
  nodeIds.set(identity, nodeId);
  return nodeId;
}

/** The 64-hex Ed25519 public key inside a libp2p peer id. Throws `invalid_request` for other kinds of ids. */
export function identityOf(nodeId: string): string {
  const known = identities.get(nodeId);
  if (known !== undefined) return known;
  const hex = nodeId.length === NODE_ID_CHARS ? decodeBase58(nodeId) : '';
  if (!hex.startsWith(PREFIX_HEX) || hex.length !== PREFIX_HEX.length + KEY_HEX_CHARS)
    throw new MeshError('invalid_request', 'The node id is not the peer id of an Ed25519 key.');
  const identity = hex.slice(PREFIX_HEX.length);
  identities.set(nodeId, identity);
  return identity;
}

function decodeBase58(text: string): string {
  try {
    return toHex(base58btc.baseDecode(text));
  } catch {
    return '';
  }
}
