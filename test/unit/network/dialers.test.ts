import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { Dialers } from '../../../src/network/dialers.ts';
import { nodeIdOfSeed, seedOf, silentLog } from '../../support/network.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

describe('Dialers', () => {
  const nodeId = nodeIdOfSeed(seedOf(1));
  const here = '/ip4/127.0.0.1/tcp/4470';
  const elsewhere = '/ip4/127.0.0.1/tcp/4471';

  function dialers() {
    const clock = new VirtualClock();
    const dialled: string[] = [];
    const made = new Dialers(
      {
        log: silentLog,
        clock,
        connect: async (address) => {
          dialled.push(address.toString());
          throw new Error('Can not dial self');
        },
        listening: () => [multiaddr(`${here}/p2p/${nodeId}`)],
        isConnected: () => false,
        peerCount: () => 0,
      },
      { nodeId, bootstrap: [], limits: { maxConnections: 8, dialTimeoutMs: 1_000 } },
    );
    const find = async (...addresses: string[]) => {
      made.discovered({ id: peerIdFromString(nodeId), multiaddrs: addresses.map((each) => multiaddr(each)) });
      await settle();
    };
    return { made, clock, dialled, find };
  }

  it('dials who answers to its own id where it does not listen itself, and not again and again', async () => {
    const { clock, dialled, find } = dialers();
    await find(here);
    expect(dialled).toEqual([]);
    await find(here, elsewhere);
    await find(elsewhere);
    expect(dialled).toEqual([elsewhere]);
    await clock.advance(600_000);
    await find(elsewhere);
    expect(dialled).toEqual([elsewhere, elsewhere]);
  });

  it('dials an address that names its own id without that, which libp2p would refuse unseen', async () => {
    const { made, dialled } = dialers();
    await expect(made.dialAddress(`${elsewhere}/p2p/${nodeId}`)).rejects.toMatchObject({
      code: 'unreachable',
    });
    const other = `${elsewhere}/p2p/${nodeIdOfSeed(seedOf(2))}`;
    await expect(made.dialAddress(other)).rejects.toMatchObject({ code: 'unreachable' });
    expect(dialled).toEqual([elsewhere, other]);
  });
});
