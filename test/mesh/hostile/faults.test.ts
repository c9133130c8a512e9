import { afterAll, expect, it, vi } from 'vitest';
import { Cluster, ECHO } from '../../support/cluster.ts';

/** Stands for a library that throws in a timer, in a microtask, and in a promise that nobody awaits. */
const FAULTY = `process.on('SIGUSR2', () => {
  setTimeout(() => { throw new Error('thrown in a timer'); });
  queueMicrotask(() => { throw new Error('thrown in a microtask'); });
  Promise.reject(new Error('rejected for nobody'));
});`;

const cluster = new Cluster();
afterAll(() => cluster[Symbol.asyncDispose]());

it('a node goes on after a library threw outside of any call', async () => {
  const preload = `--import=data:text/javascript,${encodeURIComponent(FAULTY)}`;
  const node = await cluster.start({ capabilities: [ECHO], env: { NODE_OPTIONS: preload } });
  node.process.kill('SIGUSR2');
  await vi.waitFor(() => {
    for (const text of ['thrown in a timer', 'thrown in a microtask', 'rejected for nobody']) {
      expect(node.log).toContain(text);
    }
  });
  const id = await node.submit({ requestedCapability: 'test.echo', payload: { still: 'there' } });
  expect(await node.ended(id)).toMatchObject({ status: 'completed' });
});
