import type { Connection } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it, vi } from 'vitest';
import { Dialer } from '../../../src/network/dialer.ts';
import { nodeIdOfSeed, seedOf } from '../../support/network.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const [alice, mallory] = [nodeIdOfSeed(seedOf(1)), nodeIdOfSeed(seedOf(2))];
const at = (port: number): Multiaddr => multiaddr(`/ip4/8.8.8.8/tcp/${port}`);

function setup(ports: number[]) {
  const clock = new VirtualClock();
  const pending = new Map<number, PromiseWithResolvers<Connection>>();
  const tried: number[] = [];
  const dialer = new Dialer(
    {
      clock,
      targets: () => ports.map(at),
      connect: (address, { signal }) => {
        const port = Number(address.getComponents()[1]?.value);
        tried.push(port);
        const attempt = Promise.withResolvers<Connection>();
        pending.set(port, attempt);
        signal.addEventListener('abort', () => attempt.reject(new Error('given up')));
        return attempt.promise;
      },
    },
    { dialTimeoutMs: 5_000 },
  );
  const close = vi.fn(async () => {});
  /** The node that answers there is `nodeId`. */
  const answer = (port: number, nodeId = alice): void => {
    const connection = { remotePeer: peerIdFromString(nodeId), close, port } as unknown as Connection;
    pending.get(port)?.resolve(connection);
  };
  const refuse = (port: number): void => pending.get(port)?.reject(new Error('refused'));
  return { clock, dialer, tried, answer, refuse, close };
}

describe('the dialer', () => {
  it('tries the next address a little later, or at once where one refuses, and takes the first that answers', async () => {
    const { clock, dialer, tried, answer, refuse, close } = setup([1, 2, 3, 4]);
    const dialled = dialer.dial(alice);
    expect(tried).toEqual([1]);
    await clock.advance(250);
    expect(tried).toEqual([1, 2]);
    refuse(2);
    await settle();
    expect(tried).toEqual([1, 2, 3]);
    answer(3);
    expect(await dialled).toMatchObject({ port: 3 });
    await settle();
    expect(tried).toEqual([1, 2, 3]);
    expect(close).not.toHaveBeenCalled();
    expect(clock.pendingTimers).toBe(0);
  });

  it('is unreachable when every address refused, when none is known, and when time is up', async () => {
    const { clock, dialer, refuse } = setup([1, 2]);
    const refused = expect(dialer.dial(alice)).rejects.toMatchObject({ code: 'unreachable' });
    refuse(1);
    await settle();
    refuse(2);
    await refused;
    const silent = expect(dialer.dial(alice)).rejects.toMatchObject({ code: 'unreachable' });
    await clock.advance(5_000);
    await silent;
    await expect(setup([]).dialer.dial(alice)).rejects.toMatchObject({ code: 'unreachable' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not take one node for another', async () => {
    const { dialer, answer } = setup([1]);
    const dialled = expect(dialer.dial(alice)).rejects.toMatchObject({ code: 'unreachable' });
    expect(dialer.expects(at(1), alice)).toBe(true);
    expect(dialer.expects(at(1), mallory)).toBe(false);
    expect(dialer.expects(at(2), mallory)).toBe(true);
    answer(1, mallory);
    await dialled;
    expect(dialer.expects(at(1), mallory)).toBe(true);
  });

  it('dials once for all who ask, and gives up when it stops', async () => {
    const { dialer, tried } = setup([1]);
    const dialled = [dialer.dial(alice), dialer.dial(alice)];
    expect(tried).toEqual([1]);
    const outcomes = Promise.allSettled(dialled);
    dialer.stop();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'unreachable' } });
    }
  });
});
