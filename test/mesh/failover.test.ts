import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CapsuleView } from '../../src/exchange/types.ts';
import type { Decision } from '../../src/market/types.ts';
import { balanceOf, expectSoundBooks, receiptsOf } from '../support/books.ts';
import { Cluster, ECHO, echoFor, fixedAddress, type NodeOptions, type RealNode } from '../support/cluster.ts';

/** Steps of `test.slow`: some seconds, so that a node is surely in the middle of it. */
const LONG = 4_000;
const PAID = 2;

describe('failover', () => {
  let cluster: Cluster;

  beforeEach(() => {
    cluster = new Cluster();
  });

  afterEach(() => cluster[Symbol.asyncDispose]());

  it('survives a provider that dies in the middle of a run', async () => {
    const providers = await Promise.all([provider(), provider()]);
    const submitter = await submitterOf(providers, { exchange: { graceMs: 100 } });
    const id = await submitter.submit(slow());
    const dead = await busyWith(submitter, id, providers);
    await dead.kill();
    const view = await submitter.ended(id);
    const other = providers.find((each) => each !== dead);
    expect(view).toMatchObject({ status: 'completed', executor: other?.nodeId, result: { steps: LONG } });
    expect(view.record).toMatchObject({ epoch: 2, attempts: 2 });
  });

  it('takes a provider back that dies in the middle of a run and is the only one', async () => {
    const only = await provider({ listen: await fixedAddress() });
    const submitter = await submitterOf([only], { exchange: { searchMs: 60_000 } });
    const id = await submitter.submit(slow());
    await busyWith(submitter, id, [only]);
    await only.kill();
    const back = await cluster.restart(only, { bootstrap: [submitter] });
    expect(await submitter.ended(id)).toMatchObject({ status: 'completed', executor: back.nodeId });
    expect(await receiptsOf(back, id, 'completed')).toHaveLength(1);
    await expectSoundBooks([submitter, back]);
  });

  it('never pays a provider whose result came too late', async () => {
    const dying = async () => provider({ faults: true, listen: await fixedAddress() });
    const providers = await Promise.all([dying(), dying()]);
    const submitter = await submitterOf(providers, { exchange: { graceMs: 100 } });
    const paid = {
      requestedCapability: 'test.echo',
      payload: {},
      paymentRule: { type: 'credit', amount: PAID },
    };
    for (const each of providers) await each.dieAt('outcome.committed');
    const id = await submitter.submit(paid);
    const dead = await Promise.race(
      providers.map(async (each) => {
        await each.diedAt('outcome.committed');
        return each;
      }),
    );
    const [other] = providers.filter((each) => each !== dead);
    if (other === undefined) throw new Error('There is no other');
    await other.diedAt('outcome.committed');
    const [late, early] = [dead, await cluster.restart(other, { bootstrap: [submitter] })];
    expect(await submitter.ended(id)).toMatchObject({ status: 'completed', executor: early.nodeId });
    const back = await cluster.restart(late, { bootstrap: [submitter, early] });
    expect(await receiptsOf(back, id, 'completed')).toHaveLength(1);
    await expectSoundBooks([submitter, back, early]);
    expect(await balanceOf(back)).toBe(0);
    expect(await balanceOf(early)).toBe(PAID);
    expect(await balanceOf(submitter)).toBe(-PAID);
  });

  it('asks the next when a provider refuses, and gives its reason when nobody is left', async () => {
    const strict = await provider({ config: { credits: { limit: 0 } } });
    const dearer = { capabilities: { folders: [await echoFor(1, await cluster.directory())] } };
    const generous = await provider({ bootstrap: [strict], config: dearer });
    const submitter = await submitterOf([strict, generous], {
      exchange: { searchMs: 200, announceIntervalMs: 50 },
    });
    const paid = {
      requestedCapability: 'test.echo',
      payload: {},
      paymentRule: { type: 'credit', amount: PAID },
    };
    const taken = await submitter.submit(paid);
    expect(await submitter.ended(taken)).toMatchObject({ status: 'completed', executor: generous.nodeId });
    const { items } = await submitter.get<{ items: Decision[] }>(`/api/capsules/${taken}/decisions`);
    expect(items[0]?.ranking.map(({ nodeId }) => nodeId)).toEqual([strict.nodeId, generous.nodeId]);
    expect(items[1]).toMatchObject({ excluded: [{ nodeId: strict.nodeId, reason: 'already_tried' }] });
    const id = await submitter.submit(paid, `?executor=${strict.nodeId}`);
    expect(await submitter.ended(id)).toMatchObject({
      status: 'failed',
      error: { code: 'insufficient_credit' },
    });
    await expectSoundBooks([submitter, strict, generous]);
  });

  it('drains at SIGTERM: says goodbye, finishes, delivers, and ends', async () => {
    const leaving = await provider();
    const submitter = await submitterOf([leaving]);
    const id = await submitter.submit(slow());
    await busyWith(submitter, id, [leaving]);
    const gone = submitter.until<{ items: unknown[] }>('/api/market', ({ items }) => items.length === 0);
    expect(await leaving.stop()).toBe(0);
    expect(await submitter.ended(id)).toMatchObject({
      status: 'completed',
      executor: leaving.nodeId,
      record: { attempts: 1 },
    });
    await gone;
  });

  function provider(options: NodeOptions = {}): Promise<RealNode> {
    return cluster.start({ capabilities: [ECHO], ...options });
  }

  async function submitterOf(providers: RealNode[], config: NonNullable<NodeOptions['config']> = {}) {
    const submitter = await cluster.start({ bootstrap: providers, config });
    for (const each of providers) await submitter.knows(each, 'test.slow');
    return submitter;
  }
});

function slow() {
  return { requestedCapability: 'test.slow', payload: { steps: LONG } };
}

/** The provider that has begun to stream. */
async function busyWith(submitter: RealNode, id: string, providers: RealNode[]): Promise<RealNode> {
  await submitter.seen(id, ({ type }) => type === 'progress');
  const { executor }: CapsuleView = await submitter.view(id);
  const found = providers.find(({ nodeId }) => nodeId === executor);
  if (found === undefined) throw new Error(`${String(executor)} is none of the providers`);
  return found;
}
