import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, ECHO, type NodeOptions, type RealNode } from '../support/cluster.ts';

describe('starting and stopping', () => {
  const cluster = new Cluster();
  let node: RealNode;

  beforeAll(async () => {
    node = await cluster.start({ capabilities: [ECHO] });
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  it('a second process on the same data directory ends with 2, and the first goes on', async () => {
    const refusal = await refused({ directory: node.directory });
    expect(refusal).toMatch(/^capsule: .*data directory.*\(data_dir_locked\)$/m);
    const id = await node.submit({ requestedCapability: 'test.echo', payload: { still: 'here' } });
    expect(await node.ended(id)).toMatchObject({ status: 'completed' });
    const { url } = JSON.parse(await readFile(join(node.directory, 'api.json'), 'utf8')) as { url: string };
    expect(url).toBe(node.url);
  });

  it('a directory whose node was killed is taken over', async () => {
    const killed = await cluster.start({ capabilities: [ECHO] });
    const id = await killed.submit({ requestedCapability: 'test.echo', payload: { n: 1 } });
    await killed.ended(id);
    await killed.kill();
    const back = await cluster.restart(killed);
    expect([back.nodeId, back.url === killed.url]).toEqual([killed.nodeId, false]);
    expect(await back.view(id)).toMatchObject({ status: 'completed', result: { n: 1 } });
    expect(await back.get('/api/receipts/verify')).toMatchObject({ ok: true, receipts: 1 });
  });

  it.each([
    ['api', (port: number) => ({ config: { api: { port } } })],
    ['peers over WebSocket', (port: number) => ({ listen: `/ip4/127.0.0.1/tcp/${port}/ws` })],
  ] as const)(
    'a port for the %s that is taken ends it with 2, and leaves the directory free',
    async (_, options) => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const bound = server.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
      const directory = await cluster.directory();
      expect(await refused({ directory, ...options(port) })).toMatch(
        new RegExp(`^capsule: .*${port}.*\\(address_in_use\\)$`, 'm'),
      );
      server.close();
      expect(await (await cluster.start({ directory })).stop()).toBe(0);
    },
  );

  it('a data directory below a file ends it with 2', async () => {
    const file = join(await cluster.directory(), 'file');
    await writeFile(file, '');
    const message = await refused({ data: join(file, 'data') });
    expect(message).toMatch(/^capsule: .*file\/data.*\(data_dir_unwritable\)$/m);
  });

  it.each([
    [{ exchange: { heartbetMs: 1 } }, /exchange\.heartbetMs.*heartbeatMs.*\(config_invalid\)/],
    [{ exchange: { graceMs: 'long' } }, /exchange\.graceMs.*"long".*an integer.*\(config_invalid\)/],
    [{ market: { ttlMs: 1_000, advertiseIntervalMs: 2_000 } }, /advertiseIntervalMs.*2000.*ttlMs \(1000\)/],
    [{ network: { listen: ['nowhere'] } }, /nowhere/],
  ])('a configuration that is wrong ends it with 2 and says where: %j', async (config, sentence) => {
    expect(await refused({ config })).toMatch(sentence);
  });

  it('SIGTERM in the middle of work that does not end ends it cleanly, and the work is done again', async () => {
    const busy = await cluster.start({ capabilities: [ECHO] });
    const id = await busy.submit({
      requestedCapability: 'test.hang',
      payload: {},
      executionPolicy: { maxRetries: 1 },
    });
    await busy.seen(id, ({ type }) => type === 'progress');
    // Had it taken longer than it may, it would have been ended with 1.
    expect(await busy.stop()).toBe(0);
    const back = await cluster.restart(busy);
    await back.seen(id, ({ type }) => type === 'progress');
    expect(await back.view(id)).toMatchObject({ status: 'executing' });
    await back.call('POST', `/api/capsules/${id}/cancel`);
    expect(await back.ended(id)).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
  });

  /** What a node says that ends with 2 before it is ready. */
  async function refused(options: NodeOptions): Promise<string> {
    const error: unknown = await cluster.start(options).then(
      () => new Error('It started'),
      (thrown: unknown) => thrown,
    );
    const text = error instanceof Error ? error.message : '';
    expect(text).toContain('The node ended with 2 before');
    return text;
  }
});
