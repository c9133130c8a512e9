import { describe, expect, it } from 'vitest';
import { callAt } from '../../../src/exchange/call-at.ts';
import type { MeshEvent } from '../../../src/exchange/types.ts';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh, type TestNode } from '../../support/mesh.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const wait = (ms: number) => ({ requestedCapability: 'work.wait', payload: { ms } });

describe('a node that stops', () => {
  /** One of everything that a node can be busy with. */
  const busy = async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0 } });
    const b = await mesh.add(bob, { offers: { 'work.echo': 0, 'work.once': 0 } });
    const c = await mesh.add(carol);
    const submissions = {
      local: await a.submit(a.capsule(wait(60_000))),
      remote: await a.submit(a.capsule({ requestedCapability: 'work.once', payload: { ms: 60_000 } })),
      search: await a.submit(a.capsule({ requestedCapability: 'work.nowhere' })),
      // For another, under a lease.
      ordered: await c.submit(c.capsule(wait(60_001))),
    };
    mesh.drop('capsule_accept', { to: a });
    await a.submit(a.capsule());
    await mesh.settle();
    return { mesh, a, b, c, submissions };
  };

  it('leaves no timer behind, and everything to the next start', async () => {
    const { mesh, a, b, c, submissions } = await busy();
    const { life } = a;
    await a.stop();
    expect(life.timers).toBe(0);
    await a.start();
    for (const { id } of [submissions.local, submissions.remote]) {
      expect(await a.ended(id)).toMatchObject({ status: 'completed' });
    }
    expect(await c.ended(submissions.ordered.id)).toMatchObject({ status: 'completed' });
    expect(await a.ended(submissions.search.id)).toMatchObject({ error: { code: 'no_provider' } });
    expect(b.runsOf(submissions.remote.id)).toBe(1);
    expect(await mesh.problems()).toEqual([]);
  });

  it('lets what runs finish for a while', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0 } });
    const b = await mesh.add(bob);
    const own = await a.submit(a.capsule(wait(3_000)));
    const ordered = await b.submit(b.capsule(wait(3_001)));
    await mesh.settle();
    await a.stop();
    expect(b.status(ordered.id)).toBe('completed');
    await a.start();
    expect([a.status(own.id), a.runsOf(own.id)]).toEqual(['completed', 1]);
  });

  it('takes nothing more on', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.wait': 0, 'work.echo': 0 } });
    const b = await mesh.add(bob);
    await a.submit(a.capsule(wait(3_000)));
    await mesh.settle();
    const stopping = a.exchange.stop();
    await expect(a.submit(a.capsule())).rejects.toMatchObject({ code: 'interrupted' });
    const elsewhere = await b.submit(b.capsule());
    await mesh.settle();
    // It has declined that at once.
    expect(b.status(elsewhere.id)).toBe('announced');
    await mesh.advance(4_000);
    await stopping;
    await mesh.advance(1_100);
    expect(a.runsOf(elsewhere.id)).toBe(0);
  });

  it('waits until its last results are acknowledged, and not for a receiver that is not there', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    let lost = 0;
    mesh.filter(({ type }) => (type === 'capsule_result' && lost++ === 0 ? 'drop' : undefined));
    const { id } = await a.submit(a.capsule({ payload: { ms: 1_000 } }));
    await mesh.settle();
    await b.stop();
    expect([lost, a.status(id)]).toEqual([2, 'completed']);
    await b.start();
    await a.submit(a.capsule({ payload: { ms: 1_000 } }));
    await mesh.settle();
    a.crash();
    const before = mesh.clock.monotonic();
    await b.stop();
    expect(mesh.clock.monotonic() - before).toBeLessThan(2_000);
  });

  it('twice is fine, and so is starting again', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    await a.exchange.start();
    await a.stop();
    await a.exchange.stop();
    await a.start();
    expect((await a.run()).status).toBe('completed');
  });
});

describe('a node that has nothing to do', () => {
  it('has no more timers than before it had', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 1 } });
    // Those of the first acquaintance.
    await mesh.advance(20_000);
    const before = [a.life.timers, b.life.timers];
    const next = [{ requestedCapability: 'work.echo', payloadTemplate: {} }];
    const paymentRule = { type: 'credit', amount: 1 } as const;
    for (let n = 0; n < 5; n++) await a.submit(a.capsule({ next, paymentRule }));
    await mesh.advance(5_000);
    expect([a.life.timers, b.life.timers]).toEqual(before);
  });
});

describe('events', () => {
  const statusesOf = (node: TestNode, id: string): string[] =>
    node.eventsOf(id).map((event) => (event.type === 'status' ? event.status : event.type));

  it('tell the way of a capsule, each step and the end once', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const { id } = await a.run(wait(10));
    // Work that may run twice begins before its order is on the disk, and so may what it says.
    expect(statusesOf(a, id).filter((type) => type !== 'progress')).toEqual(['pending', 'executing', 'done']);
    expect(statusesOf(b, id)).toEqual(['progress', 'pending', 'executing', 'done']);
    expect(a.eventsOf(id).at(-1)).toMatchObject({ type: 'done', status: 'completed', error: null });
    const sequences = a.events.map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.map((_, index) => index + 1));
  });

  it('tell nothing that a crash could still undo', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const release = a.stallDisk();
    const capsule = a.capsule();
    const submitted = a.submit(capsule);
    await mesh.advance(1_000);
    expect(a.events).toEqual([]);
    release();
    await submitted;
    await mesh.settle();
    expect(statusesOf(a, capsule.id)).toEqual(['pending', 'executing', 'done']);
  });

  it('tell nobody of a receipt that is not on the disk, not even the node of the next step', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const release = a.stallDisk();
    const capsule = a.capsule({ next: [{ requestedCapability: 'work.wait', payloadTemplate: {} }] });
    const submitted = a.submit(capsule);
    await mesh.advance(1_000);
    expect(a.runsOf(capsule.id)).toBe(1);
    expect(b.runs).toEqual([]);
    release();
    await submitted;
    await a.workflowEnded(capsule.id);
    expect(b.runs).toHaveLength(1);
  });

  it('are told as they come, for one capsule or all, and remembered for who comes later', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const first = await a.run();
    const seen: { all: MeshEvent[]; one: MeshEvent[] } = { all: [], one: [] };
    const stopAll = a.exchange.follow((event) => seen.all.push(event));
    const stopOne = a.exchange.follow((event) => seen.one.push(event), { capsuleId: first.id });
    await a.run();
    stopAll();
    stopOne();
    await a.run();
    expect(seen.all.map(({ sequence }) => sequence)).toEqual([4, 5, 6]);
    expect(seen.one).toEqual([]);
    expect(a.exchange.newestEvent).toBe(9);
    expect(a.exchange.eventsAfter({ since: 3, limit: 3 })).toEqual({
      events: seen.all,
      position: 6,
      forgotten: 0,
    });
    const ofOne = a.exchange.eventsAfter({ since: 0, capsuleId: first.id, limit: 9 });
    expect(ofOne.events.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(ofOne.position).toBe(9);
  });

  it('do not stop for a follower that throws', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    a.exchange.follow(() => {
      throw new Error('I cannot listen');
    });
    expect((await a.run()).status).toBe('completed');
  });
});

describe('a disk that fails', () => {
  it('refuses a submission, reports nothing as done, and begins only what may run twice', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0, 'work.once': 0 } });
    a.breakDisk();
    const once = a.capsule({ requestedCapability: 'work.once' });
    await expect(a.submit(once)).rejects.toMatchObject({ code: 'storage_failed' });
    expect(a.runs).toEqual([]);
    await expect(a.submit(a.capsule())).rejects.toMatchObject({ code: 'storage_failed' });
    await mesh.advance(1_000);
    expect(a.events).toEqual([]);
  });

  it('in the middle leaves the work to others', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const { id } = await a.submit(a.capsule(wait(5_000)), {});
    await mesh.advance(1_000);
    b.breakDisk();
    await mesh.advance(10_000);
    expect(b.eventsOf(id).map(({ type }) => type)).not.toContain('done');
    expect(a.status(id)).toBe('executing');
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
  });
});

describe('a disk that does not keep up', () => {
  it('takes nothing more, neither of its own nor of others, and forgets what it refused', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const b = await mesh.add(bob);
    const release = await a.fillDisk();
    const own = a.capsule();
    await expect(a.submit(own)).rejects.toMatchObject({ code: 'busy' });
    expect(a.status(own.id)).toBe('unknown');
    const { id } = await b.submit(b.capsule());
    await mesh.settle();
    expect(a.status(id)).toBe('unknown');
    expect(b.record(id)?.life.care?.phase).toMatchObject({ kind: 'waiting', error: { code: 'busy' } });
    expect([a.runs, a.life.engine.load()]).toEqual([[], 0]);
    release();
    await mesh.settle();
    await a.submit(own);
    expect(await a.ended(own.id)).toMatchObject({ status: 'completed' });
    expect(await b.ended(id)).toMatchObject({ status: 'completed', executor: a.nodeId });
  });

  it('goes on with what it has: a run is begun once, ended by its cancel, and told of', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.once': 0 } });
    const once = { requestedCapability: 'work.once', payload: { ms: 60_000 } };
    const { id } = await a.submit(a.capsule(once));
    const { id: other } = await a.submit(a.capsule({ ...once, payload: { ms: 1_000 } }));
    await mesh.settle();
    const release = await b.fillDisk();
    const cancelling = a.exchange.cancel(id);
    await mesh.advance(5_000);
    release();
    await cancelling;
    expect(await a.ended(id)).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
    expect(await a.ended(other)).toMatchObject({ status: 'completed', record: { epoch: 1 } });
    await mesh.settle();
    expect([b.runsOf(id), b.runsOf(other)]).toEqual([1, 1]);
    expect(b.status(id)).toBe('failed');
    expect(await mesh.problems()).toEqual([]);
  });
});

describe('callAt', () => {
  it('waits longer than one timer of the system can', async () => {
    const clock = new VirtualClock();
    const longest = 2_147_483_647;
    const cut = {
      now: () => clock.now(),
      after: (ms: number, callback: () => void) => clock.after(Math.min(ms, longest), callback),
    };
    let called = 0;
    callAt(cut, clock.now() + 3 * longest, () => called++);
    const cancel = callAt(cut, clock.now() + 3 * longest, () => called++);
    await clock.advance(3 * longest - 1);
    expect(called).toBe(0);
    cancel();
    await clock.advance(1);
    expect(called).toBe(1);
    expect(clock.pendingTimers).toBe(0);
    callAt(cut, 0, () => called++);
    await clock.advance(0);
    expect(called).toBe(2);
  });
});
