import { describe, expect, it } from 'vitest';
import type { NextStep } from '../../../protocols/capsule/v1/schema.ts';
import { step } from '../../support/documents.ts';
import { alice, bob, carol, dave } from '../../support/keys.ts';
import { Mesh } from '../../support/mesh.ts';

/** Only what is paid is settled. */
const paymentRule = { type: 'credit', amount: 1 } as const;

/** Alice asks; Bob echoes, Carol waits. */
async function trio() {
  const mesh = new Mesh();
  const a = await mesh.add(alice);
  const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
  const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
  const childOf = (id: string, index = 0): string => a.record(id)?.steps[index]?.child ?? '';
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
    for (const continueAt of ['executor', 'submitter'] as const) {
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

  it('is continued where it was submitted, whoever has not yet got the settlement', async () => {
    const { mesh, a, b, c, childOf } = await trio();
    mesh.drop('capsule_settlement', { to: b, count: 1 });
    const { id } = await a.submit(
      a.capsule({ paymentRule, payload: { text: 'x' }, next: [step('work.wait')] }),
    );
    await mesh.settle();
    await mesh.settle();
    expect(a.tree(id)).toEqual(['completed', 'completed']);
    expect(a.record(childOf(id))).toMatchObject({ coordinator: a.nodeId, root: id, executor: c.nodeId });
    expect(b.record(id)?.steps).toEqual([]);
    expect(b.status(childOf(id))).toBe('unknown');
    expect(b.result(id)?.settlement).toBeNull();
    // The result is offered again, and answered again.
    await mesh.advance(5_000);
    expect(b.result(id)?.settlement).not.toBeNull();
    expect(c.runs).toHaveLength(1);
    expect(await mesh.problems()).toEqual([]);
  });

  it('names the path that a result does not have, and goes on with the other steps', async () => {
    const { mesh, a, c } = await trio();
    const missing = step('work.wait', { payloadTemplate: { ms: 1, text: '$result.nowhere.at.all' } });
    const next = [missing, step('work.wait')];
    const { id } = await a.submit(
      a.capsule({ payload: { text: 'x' }, executionPolicy: { maxRetries: 0 }, next }),
    );
    await a.workflowEnded(id);
    const steps = a.record(id)?.steps ?? [];
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

  it('whose step cannot be made of a result asks another node first, and is done with that result for good', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.wait': 0 }, work: () => ({ another: 'shape' }) });
    const c = await mesh.add(carol, { offers: { 'work.wait': 0 } });
    mesh.hub.setRoundTrip(a.nodeId, b.nodeId, 1);
    mesh.hub.setRoundTrip(a.nodeId, c.nodeId, 200);
    const wait = { requestedCapability: 'work.wait', payload: { text: 'x', ms: 10_000 } };
    const next = [step('work.wait', { executionPolicy: null })];
    const { id } = await a.submit(a.capsule({ ...wait, next }));
    await mesh.advance(5_000);
    expect(b.runsOf(id)).toBe(1);
    expect(b.record(id)?.open).toBe(false);
    expect(a.record(id)).toMatchObject({ status: 'executing', executor: c.nodeId });
    await a.ended(id);
    expect(a.record(id)).toMatchObject({ status: 'completed', executor: c.nodeId, attempts: 2 });
    await a.workflowEnded(id);
    expect(await mesh.problems()).toEqual([]);
  });

  it('ends soon at a name that nobody knows, and waits for it where it says until when', async () => {
    const { mesh, a, childOf } = await trio();
    const next = [step('work.ecko')];
    const hurried = await a.submit(a.capsule({ payload: { text: 'x' }, next }));
    const executionPolicy = { expiresAt: mesh.clock.now() + 600_000 };
    const patient = await a.submit(a.capsule({ payload: { text: 'x' }, next, executionPolicy }));
    await mesh.advance(3_000);
    const child = a.record(childOf(hurried.id));
    expect(child).toMatchObject({ status: 'failed', error: { code: 'no_provider' } });
    expect(child?.error?.message).toContain('work.echo');
    await mesh.advance(500_000);
    expect(a.status(childOf(patient.id))).toBe('announced');
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
    const child = await a.view(a.record(id)?.steps[0]?.child ?? '');
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

describe("a step that its parent's executor coordinates", () => {
  const executionPolicy = { continueAt: 'executor' } as const;
  const chain = (...next: NextStep[]) => ({ payload: { text: 'x' }, executionPolicy, next });

  it('ends where it was submitted, with the result and who executed it', async () => {
    const { mesh, a, b, c, childOf } = await trio();
    const next = step('work.wait', { payloadTemplate: { ms: 5_000 } });
    const { id } = await a.submit(a.capsule(chain(next)));
    await mesh.settle();
    const child = childOf(id);
    expect(a.record(child)).toMatchObject({ status: 'pending', coordinator: b.nodeId, submitter: a.nodeId });
    expect(b.record(child)).toMatchObject({ status: 'executing', executor: c.nodeId });
    await a.workflowEnded(id);
    expect(await a.view(child)).toMatchObject({
      status: 'completed',
      executor: c.nodeId,
      result: { ms: 5_000 },
    });
    await mesh.advance(5_000);
    // Its coordinator needs no more than the receipt.
    expect(b.result(child)).toMatchObject({ result: null, receipt: { identity: carol.identity } });
    expect(b.record(child)).toMatchObject({ status: 'completed', open: false });
    expect(await mesh.problems()).toEqual([]);
  });

  it('and that may not run twice is handed back to the submitter, and not tried again where it was begun', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.once': 0 } });
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const next = step('work.once', { payloadTemplate: { ms: 3_000 } });
    const { id } = await a.submit(a.capsule(chain(next)));
    await mesh.settle();
    const child = a.record(id)?.steps[0]?.child ?? '';
    expect(b.record(child)).toMatchObject({ status: 'failed', error: { code: 'continue_at_submitter' } });
    expect(a.record(child)).toMatchObject({ status: 'executing', executor: a.nodeId, coordinator: a.nodeId });
    const c = await mesh.add(carol, { offers: { 'work.once': 0 } });
    await a.restart();
    await a.workflowEnded(id);
    expect(a.record(child)).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect([a.runsOf(child), c.runsOf(child)]).toEqual([1, 0]);
    expect(await mesh.problems()).toEqual([]);
  });

  it('is taken over by its submitter when its coordinator is gone for good', async () => {
    const { mesh, a, b, childOf } = await trio();
    const patient = { ...executionPolicy, expiresAt: mesh.clock.now() + 600_000 };
    const { id } = await a.submit(a.capsule({ ...chain(step('work.later')), executionPolicy: patient }));
    await mesh.settle();
    b.crash();
    await mesh.advance(185_000);
    expect(a.record(childOf(id))).toMatchObject({ status: 'announced', coordinator: a.nodeId });
    const d = await mesh.add(dave, { offers: { 'work.later': 0 } });
    await a.workflowEnded(id);
    expect(a.record(childOf(id))).toMatchObject({ status: 'completed', executor: d.nodeId });
    await b.start();
    await mesh.advance(5_000);
    expect(d.runsOf(childOf(id))).toBe(1);
    expect(await mesh.problems()).toEqual([]);
  });

  it('is taken over at once when its coordinator has lost its memory', async () => {
    const { mesh, a, b, childOf } = await trio();
    const { id } = await a.submit(a.capsule(chain(step('work.later'))));
    await mesh.settle();
    b.crash();
    b.eraseDisk();
    await b.start();
    await mesh.settle();
    expect(a.record(childOf(id))).toMatchObject({ coordinator: a.nodeId });
    await mesh.add(dave, { offers: { 'work.later': 0 } });
    await a.workflowEnded(id);
    expect(a.tree(id)).toEqual(['completed', 'completed']);
  });

  it('is its coordinator to forget or to give back, and nobody else', async () => {
    const { mesh, a, b, c, childOf } = await trio();
    const { id } = await a.submit(a.capsule(chain(step('work.later'))));
    await mesh.settle();
    const refusal = { capsuleId: childOf(id), code: 'not_found', message: 'No.', load: 0 } as const;
    for (const of of ['capsule_result_request', 'coordination'])
      await c.life.network.send(a.nodeId, { type: 'capsule_decline', of, ...refusal });
    await mesh.settle();
    expect(a.record(childOf(id))).toMatchObject({ status: 'pending', coordinator: b.nodeId });
  });

  it('that its coordinator gives up is sought once more by its submitter', async () => {
    const { mesh, a, b, childOf } = await trio();
    const { id } = await a.submit(a.capsule(chain(step('work.later'))));
    await mesh.until(() => b.status(childOf(id)) === 'failed', 'the coordinator to give up');
    expect(a.record(childOf(id))).toMatchObject({ status: 'announced', coordinator: a.nodeId });
    await a.workflowEnded(id);
    expect(a.record(childOf(id))).toMatchObject({ status: 'failed', error: { code: 'no_provider' } });
  });

  it('goes on after its coordinator was away', async () => {
    const { mesh, a, b, c, childOf } = await trio();
    const next = step('work.wait', { payloadTemplate: { ms: 20_000 } });
    const { id } = await a.submit(a.capsule(chain(next)));
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

  it('is done by a chain whose submitter is away, and comes back to it', async () => {
    const { mesh, a, b, c, childOf } = await trio();
    const slow = step('work.wait', { payloadTemplate: { ms: 2_000 } });
    const { id } = await a.submit(
      a.capsule({ ...chain(slow), requestedCapability: 'work.wait', payload: { ms: 2_000 } }),
    );
    await mesh.settle();
    expect(c.runsOf(id)).toBe(1);
    await a.stop();
    await mesh.advance(10_000);
    expect(c.runs).toHaveLength(2);
    await a.start();
    await a.workflowEnded(id);
    expect(a.tree(id)).toEqual(['completed', 'completed']);
    expect(c.runsOf(childOf(id))).toBe(1);
    expect(b.runs).toEqual([]);
    expect(await mesh.problems()).toEqual([]);
  });
});

describe('a result that nobody waits for', () => {
  it('is given up where it was free', async () => {
    const { mesh, a, b } = await trio();
    mesh.filter((message) =>
      message.type === 'capsule_accept' && message.of === 'result' ? 'drop' : undefined,
    );
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' } }));
    await mesh.settle();
    expect(b.record(id)?.open).toBe(true);
    a.crash();
    a.eraseDisk();
    await a.start();
    await mesh.advance(2_000);
    expect(b.record(id)).toMatchObject({ status: 'completed', open: false });
  });

  it('is kept and offered again where it is owed', async () => {
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

  it('is given up in the end, and the debt stays, disputed', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 }, exchange: { deliverMs: 600_000 } });
    mesh.drop('capsule_settlement');
    const { id } = await a.submit(a.capsule({ paymentRule, payload: { text: 'x' } }));
    await mesh.settle();
    a.crash();
    await mesh.advance(599_000);
    expect(b.record(id)).toMatchObject({ open: true, life: { work: { kind: 'delivering' } } });
    await mesh.advance(2_000);
    expect(b.record(id)).toMatchObject({ open: false, life: { work: { kind: 'delivered' } } });
    expect(b.balance(bob)).toBe(1_000_000);
    expect(b.life.timers).toBeLessThan(6);
  });
});
