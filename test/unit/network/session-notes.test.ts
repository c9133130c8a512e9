import { afterEach, describe, expect, it } from 'vitest';
import type { SessionNote } from '../../../protocols/messages/v1/schema.ts';
import { SelfMeetings } from '../../../src/network/self-meetings.ts';
import type { Network } from '../../../src/network/types.ts';
import { addressOf, libp2pNode, nextEvent } from '../../support/network.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const started: Network[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((network) => network.stop()));
});

async function start(seed: number, init: Parameters<typeof libp2pNode>[1] = {}): Promise<Network> {
  const network = libp2pNode(seed, init);
  started.push(network);
  await network.start();
  return network;
}

describe('notes of sessions', () => {
  it('reach both of two nodes that go by one identity, each on its own connection', async () => {
    const hub = await start(1);
    const twins = [await start(2), await start(2)];
    for (const twin of twins) {
      const measured = nextEvent(twin, 'peer:measured');
      await twin.dial(addressOf(hub));
      // It answered, so the hub has the connection.
      await measured;
    }
    const [nodeId = ''] = twins.map((twin) => twin.nodeId);
    const shown = twins.map((twin) => nextEvent(twin, 'session:shown'));
    const session = { id: '0123456789abcdef', startedAt: 5, signature: 'ab'.repeat(64) };
    const note: SessionNote = { nodeId, sequence: 1, timestamp: 6, session };
    hub.showSessions(nodeId, [note]);
    expect(await Promise.all(shown)).toEqual([
      [note, hub.nodeId],
      [note, hub.nodeId],
    ]);
  });
});

describe('a handshake with the own key', () => {
  it('is told to both of two nodes, also where the address names this very node', async () => {
    const first = await start(2);
    const met = nextEvent(first, 'self:met');
    const second = await start(2, { bootstrap: [addressOf(first)] });
    await Promise.all([met, nextEvent(second, 'self:met')]);
  }, 20_000);

  it('is told to nobody where the node dialled itself', async () => {
    const network = await start(2);
    let met = 0;
    network.on('self:met', () => void met++);
    const other = await start(2);
    const told = nextEvent(network, 'self:met');
    await expect(network.dial(addressOf(network))).rejects.toMatchObject({ code: 'unreachable' });
    // One end that went unnoticed would cancel out this one.
    await expect(other.dial(addressOf(network))).rejects.toMatchObject({ code: 'unreachable' });
    await told;
    expect(met).toBe(1);
  }, 20_000);

  it('is no other node where both its ends are here', async () => {
    const clock = new VirtualClock();
    let met = 0;
    const meetings = new SelfMeetings({ clock, met: () => void met++ });
    void meetings.note('outbound');
    void meetings.note('inbound');
    await clock.advance(60_000);
    expect(met).toBe(0);
    void meetings.note('inbound');
    await clock.advance(60_000);
    expect(met).toBe(1);
    void meetings.note('outbound');
    meetings.stop();
    await clock.advance(60_000);
    expect(met).toBe(1);
  });
});
