import { ping } from '@libp2p/ping';
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, expect, it, vi } from 'vitest';
import { PING_PROTOCOL } from '../../src/network/pinger.ts';
import { addressOf, libp2pNode, nextEvent } from '../support/network.ts';
import { stranger } from '../support/stranger.ts';

const running: { stop(): unknown }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()));
});

async function pair() {
  const node = libp2pNode(1);
  const other = await stranger({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    services: { ping: ping() },
  });
  running.push(node, other);
  await node.start();
  return { node, other };
}

it('pings, and is pinged by, what others call ping', async () => {
  const { node, other } = await pair();
  const measured = nextEvent(node, 'peer:measured', ({ roundTripMs }) => roundTripMs !== null);
  await node.dial(String(other.getMultiaddrs()[0]));
  expect((await measured)[0].roundTripMs).toBeGreaterThanOrEqual(0);
  const remotePeer = other.getConnections()[0]?.remotePeer ?? other.peerId;
  expect(await other.services.ping.ping(remotePeer)).toBeGreaterThanOrEqual(0);
});

it('does not answer a flood of pings', async () => {
  const { node, other } = await pair();
  const stream = await other.dialProtocol(multiaddr(addressOf(node)), PING_PROTOCOL);
  stream.send(new Uint8Array(100_000));
  await vi.waitFor(() => expect(stream.status).toBe('reset'), 10_000);
});
