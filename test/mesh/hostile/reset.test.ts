import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import type { Libp2p } from 'libp2p';
import { afterAll, expect, it } from 'vitest';
import { EXCHANGE_PROTOCOL } from '../../../protocols/common/v1/limits.ts';
import { encodeFrame } from '../../../src/network/frame.ts';
import { Cluster, ECHO } from '../../support/cluster.ts';
import { stranger } from '../../support/stranger.ts';

const CONNECTIONS = 2_000;
const AT_ONCE = 16;
/** A connection is reset 0 to 8 turns of the event loop after it asked: while the node opens streams and answers. */
const TURNS = 9;
/** Every so many-th connection asks something first: a handshake alone costs a tenth of what an answer does. */
const ASKING = 4;

const cluster = new Cluster();
const strangers: Libp2p[] = [];

afterAll(async () => {
  await Promise.all(strangers.map((peer) => peer.stop()));
  await cluster[Symbol.asyncDispose]();
});

it('a node outlives 2,000 connections that are reset while it opens streams on them', async () => {
  const node = await cluster.start({ capabilities: [ECHO] });
  const address = multiaddr(String(node.addresses[0]));
  let ended: number | string | null = null;
  void node.exited.then((how) => {
    ended = how;
  });
  let reset = 0;
  const more = () => ended === null && reset < CONNECTIONS;
  for (let count = 0; count < AT_ONCE; count++) {
    // Each from an address of its own: a node takes only so many connections a second from one.
    strangers.push(await stranger({}, { localAddress: `127.0.0.${count + 2}` }));
  }
  await Promise.all(
    strangers.map(async (peer, first) => {
      for (let turn = first; more(); turn++) if (await resetOne(peer, address, turn)) reset++;
    }),
  );
  expect({ ended, reset: reset >= CONNECTIONS, log: ended === null ? '' : node.log }).toEqual({
    ended: null,
    reset: true,
    log: '',
  });
  const id = await node.submit({ requestedCapability: 'test.echo', payload: { still: 'there' } });
  expect(await node.ended(id)).toMatchObject({ status: 'completed' });
}, 120_000);

const query = encodeFrame(Buffer.from(JSON.stringify({ type: 'capability_query', exchangeId: '1' })));

/** Whether it was reset by this end; the node may have closed it before. */
async function resetOne(peer: Libp2p, address: Multiaddr, turn: number): Promise<boolean> {
  try {
    const connection = await peer.dial(address);
    if (turn % ASKING === 0) (await connection.newStream(EXCHANGE_PROTOCOL)).send(query);
    for (let turns = turn % TURNS; turns > 0; turns--) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    connection.abort(new Error('reset'));
    return true;
  } catch {
    return false;
  }
}
