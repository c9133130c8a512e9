import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, ECHO, type NodeStatus, type RealNode } from '../support/cluster.ts';

type Warned = NodeStatus & { warnings: string[]; peers: number };

describe('a data directory that was copied', () => {
  const cluster = new Cluster();
  let hub: RealNode;
  let older: RealNode;
  let younger: RealNode;

  beforeAll(async () => {
    hub = await cluster.start({ capabilities: [] });
    const original = await cluster.start({ capabilities: [ECHO], bootstrap: [hub] });
    await original.stop();
    const copy = await cluster.directory();
    await cp(original.directory, copy, { recursive: true });
    await rm(join(copy, 'api.json'), { force: true });
    older = await cluster.restart(original);
    await hub.knows(older, 'test.echo');
    younger = await cluster.start({ directory: copy, capabilities: [], bootstrap: [hub] });
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  const warned = (node: RealNode) =>
    node.until<Warned>('/api/node', ({ warnings }) => warnings.some((each) => each.includes('identity')));

  it('is told on both, with the next step, and the younger leaves', async () => {
    expect((await warned(older)).warnings.join()).toMatch(/started later.*goes on.*identity\.json/);
    expect((await warned(younger)).warnings.join()).toMatch(/started earlier.*left the mesh/);
    await younger.until<Warned>('/api/node', ({ peers }) => peers === 0);
    for (const { log } of [older, younger]) expect(log).toContain('"code":"identity_twice"');
  });

  it('leaves the older one its offers, and its work', async () => {
    await hub.knows(older, 'test.echo');
    const id = await hub.submit({ requestedCapability: 'test.echo', payload: { n: 1 } });
    expect(await hub.ended(id)).toMatchObject({ status: 'completed', result: { n: 1 } });
    expect((await older.get<{ items: unknown[] }>('/api/receipts')).items).toHaveLength(1);
  });
});
