import { describe, expect, it } from 'vitest';
import type { NextStep } from '../../../protocols/capsule/v1/schema.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh } from '../../support/mesh.ts';

/** Only what is paid is settled. */
const paymentRule = { type: 'credit', amount: 1 } as const;

const step = (requestedCapability: string, more: Partial<NextStep> = {}): NextStep => ({
  requestedCapability,
  payloadTemplate: { text: '$result.text' },
  ...more,
});

/** Alice asks; Bob echoes, Carol waits. */
async function trio() {
  const mesh = new Mesh();
  const a = await mesh.add(alice);
  const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
  const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
  const childOf = (id: string, index = 0): string => a.result(id)?.steps[index]?.child ?? '';
  return { mesh, a, b, c, childOf };
}

describe('a chain', () => {
  it('runs to depth 5 over nodes, and its results come back to where it was submitted', async () => {
    const { mesh, a, b, c } = await trio();
    const names = ['work.wait', 'work.echo', 'work.wait', 'work.echo', 'work.wait'];
    const next = names.reduceRight<NextStep[] | null>((below, name) => {
      return [step(name, { payloadTemplate: { text: '$result.text', ms: 1 }, next: below })];
    }, null);
    const { id } = await a.submit(a.capsule({ payload: { text: 'deep' }, next }));
    await a.workflowEnded(id);
    expect(a.tree(id)).toEqual(Array.from({ length: 6 }, () => 'completed'));
    expect(b.runs).toHaveLength(3);
    expect(c.runs).toHaveLength(3);
    const workflow = a.workflows.of(id);
    expect(workflow).toMatchObject({ root: id, status: 'completed', steps: 6 });
    let node = workflow?.tree;
    for (let depth = 0; node !== undefined; depth++) {
      expect(a.record(node.id ?? '')?.chainDepth).toBe(depth);
      expect(a.result(node.id ?? '')?.result).toMatchObject({ text: 'deep' });
      node = node.children[0];
    }
    expect(await mesh.problems()).toEqual([]);
  });

  it('deeper than that is refused before anything runs', async () => {
    const { a, b } = await trio();
    let next: NextStep[] = [step('work.echo')];
    for (let level = 0; level < 5; level++) next = [step('work.echo', { next })];
    const capsule = a.capsule({ payload: { text: 'x' }, next });
    await expect(a.submit(capsule)).rejects.toMatchObject({ code: 'depth_exceeded' });
    expect(b.runs).toEqual([]);
  });

  it('goes on with several steps at once, each once', async () => {
    const { mesh, a, b, c } = await trio();
    const next = [step('work.wait'), step('work.echo'), step('work.wait', { payloadTemplate: { n: 3 } })];
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, next }));
    await a.workflowEnded(id);
    expect(a.tree(id)).toEqual(['completed', 'completed', 'completed', 'completed']);
    expect(c.runs).toHaveLength(2);
    expect(b.runs).toHaveLength(2);
    expect(await mesh.problems()).toEqual([]);
  });

  it('goes on twice with two equal steps, wherever it is continued', async () => {
    for (const continueAt of ['executor', 'origin'] as const) {
      const { mesh, a, c } = await trio();
      const next = [step('work.wait'), step('work.wait')];
      const { id } = await a.submit(
        a.capsule({ payload: { text: 'x' }, executionPolicy: { continueAt }, next }),
      );
      await a.workflowEnded(id);
      expect(a.tree(id)).toEqual(['completed', 'completed', 'completed']);
      expect(new Set(c.runs.map(({ raw }) => raw)).size).toBe(2);
      expect(await mesh.problems()).toEqual([]);
    }
  });

  it('waits with the next step until the result is settled', async () => {
    const { mesh, a, b, c, childOf } = await trio();
    mesh.drop('capsule_settlement', { to: b, count: 1 });
    const { id } = await a.submit(
      a.capsule({ paymentRule, payload: { text: 'x' }, next: [step('work.wait')] }),
    );
    await mesh.settle();
    expect(a.status(id)).toBe('completed');
    expect(b.record(childOf(id))).toMatchObject({ status: 'pending', held: true });
    expect(c.runs).toEqual([]);
    // The result is offered again, and answered again.
    await a.workflowEnded(id);
    expect(c.runs).toHaveLength(1);
    expect(a.tree(id)).toEqual(['completed', 'completed']);
  });

  it('that is not paid goes on at the acknowledgement, since there is nobody to countersign', async () => {
    const { a, b, c, childOf } = await trio();
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, next: [step('work.wait')] }));
    await a.workflowEnded(id);
    expect(b.record(childOf(id))?.held).toBe(false);
    expect(b.result(id)?.settlement).toBeNull();
    expect(c.runs).toHaveLength(1);
  });

  it('is not continued by a mere acknowledgement where it is paid', async () => {
    const { mesh, a, b, childOf } = await trio();
    mesh.drop('capsule_settlement', { to: b });
    const { id } = await a.submit(
      a.capsule({ paymentRule, payload: { text: 'x' }, next: [step('work.wait')] }),
    );
    await mesh.settle();
    const exchangeId = 'x';
    await a.life.network.send(b.nodeId, { type: 'capsule_accept', exchangeId, capsuleId: id });
    await mesh.settle();
    expect(b.record(childOf(id))).toMatchObject({ status: 'pending', held: true });
    expect(b.life.exchange.explain(childOf(id))).toEqual([]);
  });

  it('names the path that a result does not have, and goes on with the other steps', async () => {
    const { mesh, a, c } = await trio();
    const missing = step('work.wait', { payloadTemplate: { ms: 1, text: '$result.nowhere.at.all' } });
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, next: [missing, step('work.wait')] }));
    await a.workflowEnded(id);
    const steps = a.result(id)?.steps ?? [];
    expect(steps[0]).toMatchObject({ child: null, error: { code: 'template_path_missing' } });
    expect(steps[0]?.error?.message).toContain('$result.nowhere.at.all');
    expect(a.status(steps[1]?.child ?? '')).toBe('completed');
    expect(c.runs).toHaveLength(1);
    const workflow = a.workflows.of(id);
    expect(workflow).toMatchObject({ status: 'failed', steps: 3 });
    expect(workflow?.tree.children[0]).toMatchObject({
      id: null,
      requestedCapability: 'work.wait',
      status: 'failed',
      error: { code: 'template_path_missing' },
    });
    expect(await mesh.problems()).toEqual([]);
  });

  it('is not continued where a step failed, and says with which receipt', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.fail': 0 } });
    const failing = step('work.fail', { next: [step('work.echo')], executionPolicy: { maxRetries: 0 } });
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, next: [failing] }));
    await a.workflowEnded(id);
    expect(a.tree(id)).toEqual(['completed', 'failed']);
    const child = await a.view(a.result(id)?.steps[0]?.child ?? '');
    expect(child).toMatchObject({ executor: c.nodeId, error: { code: 'internal' }, children: [] });
    expect(child.receipt).toMatchObject({ identity: carol.identity, status: 'failed' });
    expect(a.workflows.of(child.id)).toMatchObject({ root: id, status: 'failed', steps: 2 });
  });

  it('continued by hand belongs to its workflow', async () => {
    const { a, childOf } = await trio();
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, next: [step('work.echo')] }));
    await a.workflowEnded(id);
    const more = await a.run({ parentCapsule: childOf(id), chainDepth: 2 });
    expect(more.record.root).toBe(id);
  });
});

describe('a step that another node coordinates', () => {
  it('shows at the origin who executes it, and what that says meanwhile', async () => {
    const { mesh, a, c, childOf } = await trio();
    const next = [step('work.wait', { payloadTemplate: { ms: 5_000 } })];
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, next }));
    await mesh.settle();
    const child = childOf(id);
    expect(a.record(child)).toMatchObject({ status: 'executing', executor: c.nodeId });
    expect(a.eventsOf(child).map((event) => ('status' in event ? event.status : event.type))).toEqual([
      'pending',
      'progress',
      'executing',
    ]);
    await a.workflowEnded(id);
  });

  it('that failed on the very node that waits for it may succeed on another', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.once': 0 } });
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const next = [step('work.once', { payloadTemplate: { ms: 3_000 } })];
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, next }));
    await mesh.settle();
    const child = a.result(id)?.steps[0]?.child ?? '';
    expect(b.record(child)).toMatchObject({ status: 'executing', executor: a.nodeId });
    await a.restart();
    // What may not be run twice is not run again; that is for its coordinator to act on.
    expect(b.record(child)).toMatchObject({ status: 'announced' });
    expect(a.record(child)).toMatchObject({ status: 'executing' });
    const receipts = (await a.life.engine.receipts.list({})).items.length;
    await a.restart();
    expect((await a.life.engine.receipts.list({})).items).toHaveLength(receipts);
    const c = await mesh.add(carol, { offers: { 'work.once': 0 } });
    await a.workflowEnded(id);
    expect(a.record(child)).toMatchObject({ status: 'completed', executor: c.nodeId });
    expect([a.runsOf(child), c.runsOf(child)]).toEqual([1, 1]);
    expect(await mesh.problems()).toEqual([]);
  });

  it('ends at its expiry, though its coordinator is gone for good', async () => {
    const { mesh, a, b, childOf } = await trio();
    const executionPolicy = { expiresAt: mesh.clock.now() + 90_000 };
    const next = [step('work.nowhere', { executionPolicy }), step('work.nowhere')];
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, next }));
    await mesh.settle();
    b.crash();
    await mesh.advance(149_000);
    expect(a.status(childOf(id))).toBe('pending');
    await mesh.advance(60_000);
    expect(a.record(childOf(id))).toMatchObject({ status: 'failed', error: { code: 'expired' } });
    expect(a.status(childOf(id, 1))).toBe('pending');
  });

  it('ends when its coordinator has lost its memory', async () => {
    const { mesh, a, b, childOf } = await trio();
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, next: [step('work.nowhere')] }));
    await mesh.settle();
    await mesh.advance(5_000);
    expect(a.status(childOf(id))).toBe('pending');
    b.crash();
    b.eraseDisk();
    await b.start();
    await mesh.advance(60_000);
    expect(a.record(childOf(id))).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
  });

  it('is its coordinator to forget, and nobody else', async () => {
    const { mesh, a, c, childOf } = await trio();
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, next: [step('work.nowhere')] }));
    await mesh.settle();
    const capsuleId = childOf(id);
    const refusal = { exchangeId: 'x', capsuleId, code: 'not_found', message: 'No.', load: 0 } as const;
    await c.life.network.send(a.nodeId, { type: 'capsule_decline', ...refusal });
    await mesh.settle();
    expect(a.status(capsuleId)).toBe('pending');
  });

  it('stays paid where its coordinator has another result, unless its payer has too', async () => {
    const { mesh, a, b, c, childOf } = await trio();
    mesh.drop('capsule_result', { from: c, to: b });
    const { id } = await a.submit(
      a.capsule({ paymentRule, payload: { text: 'x' }, next: [step('work.wait')] }),
    );
    await a.workflowEnded(id);
    const capsuleId = childOf(id);
    const refusal = { exchangeId: 'x', capsuleId, code: 'conflict', message: 'No.', load: 0 } as const;
    await b.life.network.send(c.nodeId, { type: 'capsule_decline', ...refusal });
    await mesh.settle();
    expect(c.balance(carol)).toBe(1_000_000);
    expect(c.ledger.booked(`reversal:${capsuleId}`)).toBe(false);
  });

  it('goes on after its coordinator was away', async () => {
    const { mesh, a, b, c, childOf } = await trio();
    const next = [step('work.wait', { payloadTemplate: { ms: 20_000 } })];
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, next }));
    await mesh.settle();
    b.crash();
    await mesh.advance(5_000);
    await b.start();
    await a.workflowEnded(id);
    expect(c.runsOf(childOf(id))).toBe(1);
    await mesh.advance(5_000);
    expect(b.status(childOf(id))).toBe('completed');
    expect(await mesh.problems()).toEqual([]);
  });
});

describe('a result that nobody waits for', () => {
  it('is kept and offered again', async () => {
    const { mesh, a, b } = await trio();
    const { id } = await a.submit(a.capsule({ paymentRule, payload: { text: 'x' } }));
    mesh.drop('capsule_settlement');
    await mesh.settle();
    a.crash();
    a.eraseDisk();
    await a.start();
    const answers: string[] = [];
    mesh.filter((message, { from, to }) => {
      if (from === a.nodeId && to === b.nodeId && 'code' in message) answers.push(message.code);
      return undefined;
    });
    await mesh.advance(10_000);
    expect(answers.length).toBeGreaterThan(2);
    expect(new Set(answers)).toEqual(new Set(['not_found']));
    expect(b.status(id)).toBe('completed');
  });

  it('is given up after a week, with what it would have brought', async () => {
    const { mesh, a, b, childOf } = await trio();
    mesh.drop('capsule_settlement');
    const { id } = await a.submit(
      a.capsule({ paymentRule, payload: { text: 'x' }, next: [step('work.wait')] }),
    );
    await mesh.settle();
    const child = childOf(id);
    a.crash();
    mesh.clock.jump(7 * 86_400_000);
    await mesh.advance(120_000);
    expect(b.record(child)).toMatchObject({ status: 'failed', error: { code: 'unreachable' } });
    expect(b.life.db.get(keyspace('outbox'), id)).toBeUndefined();
    expect(b.life.timers).toBeLessThan(5);
  });
});
