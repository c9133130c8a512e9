import { afterEach, describe, expect, it } from 'vitest';
import { alice, bob, carol } from '../../support/keys.ts';
import { Mesh } from '../../support/mesh.ts';

let mesh: Mesh;

afterEach(() => mesh.stop());

const start = (): Mesh => {
  mesh = new Mesh();
  return mesh;
};

describe('a capsule', () => {
  it('is executed here where that is best', async () => {
    const a = await start().add(alice, { offers: { 'work.echo': 0 } });
    const view = await a.run({ payload: { text: 'hello' } });
    expect(view).toMatchObject({ status: 'completed', executor: a.nodeId, result: { text: 'hello' } });
    expect(view.record).toMatchObject({ attempts: 1, epoch: 1, coordinator: a.nodeId });
  });

  it('is executed elsewhere where this node cannot', async () => {
    const a = await start().add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const view = await a.run({ payload: { text: 'hello' } });
    expect(view).toMatchObject({ status: 'completed', executor: b.nodeId, result: { by: bob.identity } });
    expect(view.receipt).toMatchObject({ identity: bob.identity, capsuleId: view.id, epoch: 1 });
    expect(b.status(view.id)).toBe('completed');
    await mesh.settle();
    expect(b.result(view.id)?.settlement).toMatchObject({ payer: alice.identity, payee: bob.identity });
  });

  it('runs as a chain over nodes', async () => {
    const a = await start().add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const c = await mesh.add(carol, { offers: { 'work.once': 0 } });
    const step = { requestedCapability: 'work.once', payloadTemplate: { from: '$result.text' } };
    const { id } = await a.submit(a.capsule({ payload: { text: 'x' }, next: [step] }));
    await a.workflowEnded(id);
    expect(a.tree(id)).toEqual(['completed', 'completed']);
    expect(c.runs).toMatchObject([{ payload: { from: 'x' } }]);
    expect(b.runs).toHaveLength(1);
  });
});
