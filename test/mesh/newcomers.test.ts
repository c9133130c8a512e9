import { afterAll, expect, it } from 'vitest';
import { Cluster, ECHO } from '../support/cluster.ts';

const cluster = new Cluster();
afterAll(() => cluster[Symbol.asyncDispose]());

it('runs a capsule on a node that the submitter shares only a bootstrap node with', async () => {
  const hub = await cluster.start();
  const provider = await cluster.start({ capabilities: [ECHO], bootstrap: [hub] });
  const submitter = await cluster.start({ bootstrap: [hub] });
  await submitter.knows(provider, 'test.echo');
  const id = await submitter.submit({ requestedCapability: 'test.echo', payload: { text: 'across' } });
  expect(await submitter.ended(id)).toMatchObject({
    status: 'completed',
    executor: provider.nodeId,
    result: { text: 'across' },
  });
});
