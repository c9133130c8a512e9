import { peerIdFromString } from '@libp2p/peer-id';
import { describe, expect, it } from 'vitest';
import { identityOf, nodeIdOf } from '../../../src/capsule/identity.ts';
import { nodeCrypto } from '../../../src/lib/crypto-node.ts';
import { toHex } from '../../../src/lib/hex.ts';
import { alice, bob } from '../../support/keys.ts';

describe('identity', () => {
  it('is the key in the libp2p peer id, both ways', () => {
    for (let byte = 0; byte < 20; byte++) {
      const identity = toHex(nodeCrypto.publicKey(new Uint8Array(32).fill(byte)));
      const nodeId = nodeIdOf(identity);
      expect(toHex(peerIdFromString(nodeId).publicKey?.raw ?? new Uint8Array())).toBe(identity);
      expect(identityOf(nodeId)).toBe(identity);
      // Again, from the cache.
      expect(nodeIdOf(identity)).toBe(nodeId);
      expect(identityOf(nodeId)).toBe(identity);
    }
  });

  it.each(['', 'ab', alice.identity.toUpperCase(), `${alice.identity}00`, `g${alice.identity.slice(1)}`])(
    'refuses the identity %j',
    (identity) => {
      expect(() => nodeIdOf(identity)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    },
  );

  it.each([
    '',
    bob.nodeId.slice(0, -1),
    `${bob.nodeId}1`,
    `0${bob.nodeId.slice(1)}`,
    'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    '16Uiu2HAm9u8Cp6qYQh2qqRSXTpuLwPXGnJDqUPhrPVPsQTX2V8Pp',
    '1'.repeat(52),
    'z'.repeat(52),
  ])('refuses the node id %j', (nodeId) => {
    expect(() => identityOf(nodeId)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });
});
