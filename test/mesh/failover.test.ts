import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Decision } from '../../src/market/types.ts';
import { balanceOf, expectSoundBooks, receiptsOf } from '../support/books.ts';
import { Cluster, ECHO, echoFor, fixedAddress, type NodeOptions, type RealNode } from '../support/cluster.ts';
import type { OllamaDouble } from '../support/ollama-double.ts';

/** What a `gated` provider stops in the middle of. */
const SUMMARIZE = {
  requestedCapability: 'ai.summarize',
  payload: { text: 'A capsule is signed. A node runs it. A receipt proves it.' },
  paymentRule: { type: 'credit', amount: 2 },
};
const PAID = 2;

interface Gated {
  node: RealNode;
  model: OllamaDouble;
  reached: Promise<void>;
}

describe('failover', () => {
  let cluster: Cluster;

  beforeEach(() => {
    cluster = new Cluster();
  });
  afterEach(() => cluster[Symbol.asyncDispose]());

  it('survives a provider that dies in the middle of a run', async () => {
    const providers = await Promise.all([gated(), gated()]);
    const submitter = await submitterOf(providers, { exchange: { graceMs: 100 } });
    const id = await submitter.submit(SUMMARIZE);
    const dead = await Promise.race(providers.map(async (each) => each.reached.then(() => each)));
    const [other] = providers.filter((each) => each !== dead);
    other?.model.resume();
    await dead.node.kill();
    expect(await submitter.ended(id)).toMatchObject({
      status: 'completed',
      executor: other?.node.nodeId,
      record: { epoch: 2, attempts: 2 },
    });
  });

  it('takes a provider back that dies in the middle of a run and is the only one', async () => {
    const only = await gated({ listen: await fixedAddress() });
    const submitter = await submitterOf([only], { exchange: { searchMs: 60_000 } });
    const id = await submitter.submit(SUMMARIZE);
    await only.reached;
    await only.node.kill();
    only.model.resume();
    const back = await cluster.restart(only.node, { bootstrap: [submitter] });
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
    const strict = await provider({ config: { credits: { strangerLimit: 0 } } });
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
    const leaving = await gated();
    const submitter = await submitterOf([leaving]);
    const id = await submitter.submit(SUMMARIZE);
    await leaving.reached;
    const stopped = leaving.node.stop();
    await submitter.until<{ items: unknown[] }>('/api/market', ({ items }) => items.length === 0);
    leaving.model.resume();
    expect(await stopped).toBe(0);
    expect(await submitter.ended(id)).toMatchObject({
      status: 'completed',
      executor: leaving.node.nodeId,
      record: { attempts: 1 },
    });
  });

  function provider(options: NodeOptions = {}): Promise<RealNode> {
    return cluster.start({ capabilities: [ECHO], ...options });
  }

  /** A provider whose model stays in the middle of its answer, which `reached` tells, until it may go on. */
  async function gated(options: NodeOptions = {}): Promise<Gated> {
    const model = await cluster.model();
    model.script.ending = 'pause';
    const { reached } = model.nextPause();
    const config = { models: { ollama: model.url } };
    const node = await cluster.start({ capabilities: ['gemma'], config, ...options });
    return { node, model, reached };
  }

  async function submitterOf(
    providers: (RealNode | Gated)[],
    config: NonNullable<NodeOptions['config']> = {},
  ): Promise<RealNode> {
    const bootstrap = providers.map((each) => ('node' in each ? each.node : each));
    const submitter = await cluster.start({ bootstrap, config });
    for (const each of bootstrap) await submitter.knows(each);
    return submitter;
  }
});
