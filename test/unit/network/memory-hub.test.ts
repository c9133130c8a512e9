import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Network } from '../../../src/network/types.ts';
import { idOf, type MemoryMesh, memoryMesh, query } from '../../support/network.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const meshes: MemoryMesh[] = [];
afterEach(() => Promise.all(meshes.splice(0).map((mesh) => mesh.stop())));

async function meshOf(count: number, clock = new VirtualClock()) {
  const mesh = await memoryMesh(count, { clock });
  meshes.push(mesh);
  const [a, b, c] = mesh.nodes;
  if (a === undefined || b === undefined) throw new Error('Too few nodes');
  return { hub: mesh.hub, clock, a, b, c: c ?? b };
}

function idsAt(network: Network): string[] {
  const ids: string[] = [];
  network.onMessage((_from, message) => ids.push(idOf(message)));
  return ids;
}

describe('the memory hub', () => {
  it('delivers nothing inside the call that sends', async () => {
    const { a, b } = await meshOf(2);
    const ids = idsAt(b);
    const sent = a.send(b.nodeId, query('1'));
    expect(ids).toEqual([]);
    await sent;
    await settle();
    expect(ids).toEqual(['1']);
  });

  it('holds packets and delivers them one by one, then all', async () => {
    const { hub, a, b } = await meshOf(2);
    const ids = idsAt(b);
    hub.hold();
    for (const id of ['1', '2', '3', '4']) await a.send(b.nodeId, query(id));
    await settle();
    expect(ids).toEqual([]);
    expect(hub.deliver(1)).toBe(1);
    expect(ids).toEqual(['1']);
    expect(hub.deliver()).toBe(3);
    await a.send(b.nodeId, query('5'));
    hub.release();
    await a.send(b.nodeId, query('6'));
    await settle();
    expect(ids).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  it('holds back what was already on its way', async () => {
    const { hub, a, b } = await meshOf(2);
    const ids = idsAt(b);
    const sent = a.send(b.nodeId, query('1'));
    hub.hold();
    await sent;
    await settle();
    expect(ids).toEqual([]);
    hub.release();
    expect(ids).toEqual(['1']);
  });

  it('delays by the clock, and keeps the order', async () => {
    const { hub, clock, a, b } = await meshOf(2);
    const ids = idsAt(b);
    let first = true;
    hub.intercept(() => {
      const fate = first ? 500 : 'deliver';
      first = false;
      return fate;
    });
    for (const id of ['1', '2']) await a.send(b.nodeId, query(id));
    await clock.advance(499);
    expect(ids).toEqual([]);
    await clock.advance(1);
    expect(ids).toEqual(['1', '2']);
  });

  it('drops what it is told to, and delivers the rest', async () => {
    const { hub, a, b } = await meshOf(2);
    const ids = idsAt(b);
    hub.intercept(({ bytes }) => (Buffer.from(bytes).includes('"2"') ? 'drop' : 'deliver'));
    for (const id of ['1', '2', '3']) await a.send(b.nodeId, query(id));
    await settle();
    expect(ids).toEqual(['1', '3']);
  });

  it('loses what was on its way when a connection is cut, and connects again', async () => {
    const { hub, a, b } = await meshOf(2);
    const ids = idsAt(b);
    const gone = vi.fn();
    a.on('peer:disconnect', gone);
    hub.hold();
    await a.send(b.nodeId, query('lost'));
    hub.disconnect(a.nodeId, b.nodeId);
    hub.disconnect(a.nodeId, b.nodeId);
    hub.release();
    expect(gone).toHaveBeenCalledExactlyOnceWith(b.nodeId);
    await a.send(b.nodeId, query('2'));
    await settle();
    expect(ids).toEqual(['2']);
    expect(b.isConnected(a.nodeId)).toBe(true);
  });

  it('partitions until it heals', async () => {
    const { hub, a, b, c } = await meshOf(3);
    hub.partition([a.nodeId, b.nodeId], [c.nodeId]);
    expect([a.isConnected(b.nodeId), a.isConnected(c.nodeId)]).toEqual([true, false]);
    await expect(a.send(c.nodeId, query('1'))).rejects.toMatchObject({ code: 'unreachable' });
    await expect(c.dial(`/memory/p2p/${b.nodeId}`)).rejects.toMatchObject({ code: 'unreachable' });
    hub.heal();
    await expect(a.send(c.nodeId, query('2'))).resolves.toBeUndefined();
  });

  it('lets both ends measure a round trip', async () => {
    const { hub, a, b } = await meshOf(2);
    const measured = vi.fn();
    b.on('peer:measured', measured);
    hub.setRoundTrip(a.nodeId, b.nodeId, 50);
    expect(measured).toHaveBeenCalledWith(expect.objectContaining({ nodeId: a.nodeId, ring: 'ring2' }));
    hub.disconnect(a.nodeId, b.nodeId);
    await a.dial(`/memory/p2p/${b.nodeId}`);
    expect(a.peer(b.nodeId)?.roundTripMs).toBe(50);
  });
});
