import { describe, expect, it } from 'vitest';
import { alice, bob } from '../../support/keys.ts';
import { Mesh } from '../../support/mesh.ts';

describe('privacy', () => {
  it('restricted: runs on the node of its origin and is shown to no other', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 1 }, exchange: { searchMs: 5_000 } });
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const shown: string[] = [];
    mesh.filter((message) => {
      shown.push(message.type);
      return undefined;
    });
    const here = await a.run({ privacyRule: 'restricted' });
    expect(here).toMatchObject({ status: 'completed', executor: a.nodeId });
    const named = await a.run({ privacyRule: 'restricted' }, { executor: b.nodeId });
    expect(named).toMatchObject({ status: 'failed', error: { code: 'no_provider' } });
    expect(shown).not.toContain('capsule_data');
    // A public one goes where it is cheapest.
    const open = await a.run({ executionPolicy: { preferredLocality: 'ring1' } });
    expect(open.executor).toBe(b.nodeId);
  });

  it('restricted: is sent home by a node that is not the origin', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const executionPolicy = { submitter: b.identity };
    const { id } = await b.submit(a.capsule({ privacyRule: 'restricted', executionPolicy }));
    expect(await b.ended(id)).toMatchObject({ status: 'completed', executor: a.nodeId });
  });

  it('restricted: keeps its next steps at the origin', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const next = [{ requestedCapability: 'work.echo', payloadTemplate: { text: '$result.text' } }];
    const { id } = await a.submit(a.capsule({ privacyRule: 'restricted', payload: { text: 'x' }, next }));
    await a.workflowEnded(id);
    const child = await a.view(a.record(id)?.steps[0]?.child ?? '');
    expect(child).toMatchObject({ status: 'completed', executor: a.nodeId, result: { text: 'x' } });
    expect(child.capsule).toMatchObject({ privacyRule: 'restricted' });
    expect(child.capsule.signer).toBeUndefined();
  });

  it('encrypted: is refused with a code of its own until it is built', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice, { offers: { 'work.echo': 0 } });
    const capsule = a.capsule({ privacyRule: 'encrypted' });
    await expect(a.submit(capsule)).rejects.toMatchObject({ code: 'encrypted_unsupported' });
    expect(a.status(capsule.id)).toBe('unknown');
  });
});
