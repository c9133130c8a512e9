import { describe, expect, it } from 'vitest';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh, type NodeOptions } from '../../support/mesh.ts';

/** Alice asks, Bob is cheapest, Carol is next; none of them may do it twice unless told. */
async function trio(capability = 'work.once', options: { a?: NodeOptions; b?: NodeOptions } = {}) {
  const mesh = new Mesh();
  const a = await mesh.add(alice, options.a);
  const b = await mesh.add(bob, { offers: { [capability]: 1 }, ...options.b });
  const c = await mesh.add(carol, { offers: { [capability]: 2 } });
  return { mesh, a, b, c };
}

const paymentRule = { type: 'credit', amount: 5 } as const;
const once = (ms: number) => ({ requestedCapability: 'work.once', payload: { ms }, paymentRule });

/** Fails with `code` until the mesh is that old. */
function failsUntil(mesh: Mesh, ms: number, code: string): NonNullable<NodeOptions['work']> {
  return () => {
    if (mesh.clock.monotonic() >= ms) return undefined;
    throw Object.assign(new Error('It is not back yet.'), { code });
  };
}

describe('the only provider', () => {
  it('that is back within seconds is asked again while retries are left', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const work = failsUntil(mesh, 1_800, 'model_unavailable');
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 }, work });
    const view = await a.run({ executionPolicy: { maxRetries: 3 } });
    expect(view).toMatchObject({ status: 'completed', executor: b.nodeId, result: { by: bob.identity } });
    // At once, after a second, after two more.
    expect(b.runsOf(view.id)).toBe(3);
    expect(view.record).toMatchObject({ attempts: 3, epoch: 3 });
    expect(await mesh.problems()).toEqual([]);
  });

  it('that is not back before the retries are used up is named with its own reason', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const work = failsUntil(mesh, 60_000, 'model_unavailable');
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 }, work });
    const executionPolicy = { maxRetries: 2, expiresAt: mesh.clock.now() + 50_000 };
    const view = await a.run({ executionPolicy });
    expect(view).toMatchObject({ status: 'failed', error: { code: 'model_unavailable' } });
    expect(b.runsOf(view.id)).toBe(3);
  });

  it('that fails until the capsule expires is named in the reason of its end', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { exchange: { retryMs: 10_000 } });
    await mesh.add(bob, { offers: { 'work.echo': 0 }, work: failsUntil(mesh, 60_000, 'model_unavailable') });
    const executionPolicy = { maxRetries: 10, expiresAt: mesh.clock.now() + 15_000 };
    const { error } = await a.run({ executionPolicy });
    expect(error).toMatchObject({ code: 'expired', detail: { last: { code: 'model_unavailable' } } });
    expect(error?.message).toContain('It is not back yet.');
  });

  it('of a name that nobody knew at first is sought for long when it falls silent', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    await mesh.add(carol);
    const { id } = await a.submit(a.capsule({ requestedCapability: 'work.wait', payload: { ms: 1 } }));
    await mesh.advance(1_000);
    const hear = mesh.filter(({ type }) => (type === 'capsule_data' ? 'drop' : undefined));
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    await mesh.advance(6_000);
    expect(a.record(id)?.open).toBe(true);
    b.crash();
    await mesh.advance(10_000);
    expect(a.status(id)).toBe('announced');
    hear();
    await b.start();
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: b.nodeId });
  });

  it('that stopped and started again is asked again', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    const { id } = await a.submit(a.capsule({ requestedCapability: 'work.wait', payload: { ms: 20_000 } }));
    await mesh.settle();
    b.crash();
    await mesh.advance(4_000);
    expect(a.status(id)).toBe('announced');
    await b.start();
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: b.nodeId });
  });

  it('of the next step that is unplugged for 20 seconds does it when it is back', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    const next = [{ requestedCapability: 'work.wait', payloadTemplate: { ms: 10 } }];
    mesh.hub.partition([c.nodeId], [a.nodeId, b.nodeId]);
    const { id } = await a.submit(a.capsule({ next }));
    await mesh.advance(20_000);
    expect(a.tree(id)).toEqual(['completed', 'announced']);
    await mesh.heal();
    await a.workflowEnded(id);
    expect(a.tree(id)).toEqual(['completed', 'completed']);
    expect(c.runs).toHaveLength(1);
    expect(await mesh.problems()).toEqual([]);
  });
});

describe('a name', () => {
  it('that nobody knows ends the search at once, with the nearest that is known', async () => {
    const { mesh, a } = await trio();
    const { id } = await a.submit(a.capsule({ requestedCapability: 'work.onec' }));
    await mesh.advance(2_100);
    const { error } = await a.view(id);
    expect(error?.code).toBe('no_provider');
    expect(error?.message).toContain('work.once');
  });

  it('that is known, and not at this price, is waited for, and the reason says so', async () => {
    const { mesh, a } = await trio('work.echo', { a: { exchange: { searchMs: 10_000 } } });
    const { id } = await a.submit(a.capsule());
    await mesh.advance(9_000);
    expect(a.status(id)).toBe('announced');
    await mesh.advance(2_000);
    const { error } = await a.view(id);
    expect(error?.code).toBe('no_provider');
    expect(error?.message).toContain('none at this price');
  });
});

describe('work that may not run twice', () => {
  it('is never given to another when its cable is pulled, and ends as interrupted', async () => {
    const { mesh, a, b, c } = await trio();
    const { id } = await a.submit(a.capsule(once(60_000)));
    await mesh.settle();
    mesh.hub.partition([b.nodeId], [a.nodeId, c.nodeId]);
    await mesh.advance(20_000);
    expect(a.status(id)).toBe('executing');
    await mesh.advance(20_000);
    expect(a.record(id)).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect(b.runsOf(id) + c.runsOf(id)).toBe(1);
    // What was done is paid when it can be said, and changes nothing else.
    await mesh.advance(30_000);
    await mesh.heal();
    await mesh.advance(5_000);
    expect(a.status(id)).toBe('failed');
    expect(a.balance(bob)).toBe(5_000_000);
    expect(await mesh.problems()).toEqual([]);
  });

  it('goes on where it was when the cable is back in time', async () => {
    const { mesh, a, b, c } = await trio();
    const { id } = await a.submit(a.capsule(once(15_000)));
    await mesh.settle();
    mesh.hub.partition([b.nodeId], [a.nodeId, c.nodeId]);
    await mesh.advance(10_000);
    await mesh.heal();
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: b.nodeId });
    expect(a.record(id)).toMatchObject({ attempts: 1, epoch: 1 });
    expect(c.runs).toEqual([]);
    expect(await mesh.problems()).toEqual([]);
  });

  it('whose order was not answered is given to another once the first says that it never came', async () => {
    const { mesh, a, b, c } = await trio();
    mesh.drop('capsule_data', { to: b });
    const view = await a.run(once(10));
    expect(view).toMatchObject({ status: 'completed', executor: c.nodeId, record: { attempts: 1 } });
    expect(b.runs).toEqual([]);
  });

  it('whose order was answered with silence is not given to another while the first says nothing', async () => {
    const { mesh, a, b, c } = await trio();
    mesh.filter((_message, { from }) => (from === b.nodeId ? 'drop' : undefined));
    const { id } = await a.submit(a.capsule(once(100_000)));
    await mesh.advance(30_000);
    expect(b.runsOf(id)).toBe(1);
    expect(c.runsOf(id)).toBe(0);
    await mesh.advance(10_000);
    expect(a.record(id)).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect(c.runsOf(id)).toBe(0);
  });

  it('by the word of its origin only is not run again either', async () => {
    const { mesh, a, b, c } = await trio('work.wait');
    const executionPolicy = { atMostOnce: true } as const;
    const wait = { requestedCapability: 'work.wait', payload: { ms: 60_000 }, paymentRule, executionPolicy };
    const { id } = await a.submit(a.capsule(wait));
    await mesh.settle();
    await b.restart();
    expect(await a.ended(id)).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect([b.runsOf(id), c.runsOf(id)]).toEqual([1, 0]);
  });
});

describe('an executor that was given up as silent', () => {
  const long = { requestedCapability: 'work.wait', payload: { ms: 60_000 } };

  it('and is ordered again while it is at it, keeps the work by its heartbeats', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    mesh.drop('capsule_accept', { from: b });
    mesh.drop('capsule_progress', { from: b, count: 1 });
    const { id } = await a.submit(a.capsule(long));
    await mesh.advance(15_000);
    expect(a.record(id)).toMatchObject({ status: 'executing', executor: b.nodeId, epoch: 2 });
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: b.nodeId });
    expect(a.record(id)).toMatchObject({ attempts: 1, epoch: 2 });
    expect([b.runsOf(id), c.runsOf(id)]).toEqual([1, 0]);
    expect(await mesh.problems()).toEqual([]);
  });

  it('keeps the work by its late acceptance, while no other has it', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 } });
    mesh.drop('capsule_progress', { from: b, count: 1 });
    mesh.filter(({ type }, { from }) => (type === 'capsule_accept' && from === b.nodeId ? 6_000 : undefined));
    const { id } = await a.submit(a.capsule(long));
    await mesh.advance(5_900);
    expect(a.record(id)?.life.care?.phase.kind).not.toBe('running');
    await mesh.advance(200);
    expect(a.record(id)?.life.care?.phase.kind).toBe('running');
    expect(await a.ended(id)).toMatchObject({ status: 'completed', record: { attempts: 1 } });
    expect(b.runsOf(id)).toBe(1);
  });

  it('does not take it back from another', async () => {
    const { mesh, a, b, c } = await trio('work.wait');
    mesh.drop('capsule_accept', { from: b });
    mesh.drop('capsule_progress', { from: b, count: 1 });
    const { id } = await a.submit(a.capsule({ ...long, paymentRule }));
    await mesh.advance(15_000);
    expect(a.record(id)).toMatchObject({ status: 'executing', executor: c.nodeId, epoch: 2 });
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: b.nodeId });
    await mesh.advance(10_000);
    expect(c.record(id)).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
    expect(await mesh.problems()).toEqual([]);
  });
});

describe('the line', () => {
  it('lets the origins take turns, however many one of them has in it', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob);
    const c = await mesh.add(carol, {
      offers: { 'work.wait': 0 },
      engine: { concurrency: 1, maxWaiting: 0 },
    });
    const wait = { requestedCapability: 'work.wait', payload: { ms: 200 } };
    const executionPolicy = { submitter: a.identity };
    const mine: string[] = [];
    const others: string[] = [];
    for (let n = 0; n < 12; n++) {
      mine.push((await a.submit(a.capsule({ ...wait, payload: { ms: 200, n } }))).id);
    }
    for (let n = 0; n < 3; n++) {
      const capsule = b.capsule({ ...wait, payload: { ms: 200, n }, executionPolicy });
      others.push((await a.submit(capsule)).id);
    }
    await mesh.until(() => others.every((id) => a.status(id) === 'completed'), 'the others');
    const ahead = c.runs.filter(({ raw }) => mine.includes(raw.replace('capsule:', '')));
    // The one that had the place before, and one before each of the others, and one that was taken since.
    expect(ahead.length).toBeLessThanOrEqual(5);
    await mesh.until(() => mine.every((id) => a.status(id) === 'completed'), 'all');
  });

  it('is left by a capsule that was cancelled, and survives a restart', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const [gone, kept] = [await a.submit(a.capsule()), await a.submit(a.capsule())];
    await mesh.advance(1_000);
    await a.exchange.cancel(gone.id);
    await a.restart();
    expect([a.status(gone.id), a.status(kept.id)]).toEqual(['failed', 'announced']);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    expect(await a.ended(kept.id)).toMatchObject({ status: 'completed', executor: b.nodeId });
    expect(b.runs).toHaveLength(1);
  });
});
