import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { announceTopic } from '../../protocols/common/v1/limits.ts';
import type { ExchangeMessage, ExchangeMessageOf } from '../../protocols/messages/v1/schema.ts';
import type { Network } from '../../src/network/types.ts';
import { Cluster, ECHO, type RealNode } from '../support/cluster.ts';
import { addressOf, libp2pNode } from '../support/network.ts';

const TOPIC = announceTopic('test.echo');
const CAPSULE = { requestedCapability: 'test.echo', payload: { text: 'anybody?' } };

describe('a capsule that nobody is known for', () => {
  const cluster = new Cluster();
  const strangers: Network[] = [];
  let submitter: RealNode;

  beforeAll(async () => {
    submitter = await cluster.start({
      config: {
        exchange: { announceIntervalMs: 100, searchMs: 60_000, bidWindowMs: 300, acceptTimeoutMs: 300 },
      },
    });
  });

  afterEach(async () => {
    await Promise.all(strangers.splice(0).map((stranger) => stranger.stop()));
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  it('fails as no_provider when nobody comes in time', async () => {
    const hasty = await cluster.start({ config: { exchange: { announceIntervalMs: 50, searchMs: 200 } } });
    const id = await hasty.submit(CAPSULE);
    const view = await hasty.ended(id);
    expect(view).toMatchObject({ status: 'failed', executor: null, error: { code: 'no_provider' } });
    expect(view.record.history.map(({ status }) => status)).toEqual(['pending', 'announced', 'failed']);
  });

  it('expires as its policy says, while it looks for somebody', async () => {
    const id = await submitter.submit({ ...CAPSULE, executionPolicy: { expiresAt: Date.now() + 300 } });
    expect(await submitter.ended(id)).toMatchObject({ status: 'failed', error: { code: 'expired' } });
  });

  it('is announced, bid for, and given to the best bidder', async () => {
    const id = await submitter.submit({ ...CAPSULE, paymentRule: { type: 'credit', amount: 5 } });
    const [dear, cheap] = [await stranger(21), await stranger(22)];
    const announced = await Promise.all([dear.announced, cheap.announced]);
    expect(announced).toEqual([[id], [id]]);
    const ordered = cheap.next('capsule_data');
    await dear.bid(id, 4);
    await cheap.bid(id, 2);
    const order = await ordered;
    expect(order).toMatchObject({
      capsule: { id, payload: CAPSULE.payload },
      assignment: { capsuleId: id, epoch: 1, price: 5, coordinator: submitter.identity },
    });
    expect(await submitter.view(id)).toMatchObject({ status: 'executing', executor: cheap.nodeId });
    // Whoever bid and then says nothing is passed over.
    await dear.next('capsule_data');
    await submitter.call('POST', `/api/capsules/${id}/cancel`);
    expect(await submitter.ended(id)).toMatchObject({ error: { code: 'cancelled' } });
  });

  it('goes to a provider that joins after it was submitted', async () => {
    const id = await submitter.submit(CAPSULE);
    await submitter.seen(id, (event) => event.type === 'status' && event.status === 'announced');
    const joined = await cluster.start({ capabilities: [ECHO], bootstrap: [submitter] });
    expect(await submitter.ended(id)).toMatchObject({
      status: 'completed',
      executor: joined.nodeId,
      result: CAPSULE.payload,
    });
  });

  it('is bid for by a real provider, which keeps still about what it cannot do or is not paid for', async () => {
    const provider = await cluster.start({
      capabilities: ['text'],
      config: { capabilities: { prices: { 'text.stats': 0.1 } } },
    });
    const announcer = await stranger(23, provider);
    const heard = announcer.next('capsule_request');
    const wanted = 'c'.repeat(64);
    await announcer.subscribedTo(announceTopic('text.stats'));
    await announcer.announce([
      { id: 'a'.repeat(64), requestedCapability: 'text.translate', amount: 5 },
      { id: 'b'.repeat(64), requestedCapability: 'text.stats', amount: null },
      { id: wanted, requestedCapability: 'text.stats', amount: 5 },
    ]);
    expect(await heard).toMatchObject({
      capsuleIds: [wanted],
      bid: { price: 0.1, estimatedLatency: expect.any(Number), idempotent: true },
    });
  });

  /** A bare node that listens to announcements and tells nobody what it offers. */
  async function stranger(seed: number, of: RealNode = submitter) {
    const network = libp2pNode(seed);
    strangers.push(network);
    const waiting = new Map<string, (message: ExchangeMessage) => void>();
    network.onMessage((_from, message) => waiting.get(message.type)?.(message));
    const announced = Promise.withResolvers<string[]>();
    network.subscribe(
      TOPIC,
      () => 'accept',
      (_from, message) => message.type === 'capsule_announce' && announced.resolve(message.capsuleIds),
    );
    await network.start();
    await network.dial(String(of.addresses[0]));
    return {
      nodeId: network.nodeId,
      address: addressOf(network),
      announced: announced.promise,
      /** The next message of the type. */
      next: <T extends ExchangeMessage['type']>(type: T): Promise<ExchangeMessageOf<T>> =>
        new Promise((resolve) => waiting.set(type, (message) => resolve(message as ExchangeMessageOf<T>))),
      bid: (id: string, price: number): Promise<void> =>
        network.send(of.nodeId, {
          type: 'capsule_request',
          capsuleIds: [id],
          bid: { price, estimatedLatency: 0.1, idempotent: true },
        }),
      subscribedTo: (topic: string): Promise<void> =>
        new Promise((resolve) => {
          const look = (): void => {
            if (network.subscribers(topic) > 0) resolve();
            else setTimeout(look, 10);
          };
          look();
        }),
      announce: (
        summaries: { id: string; requestedCapability: string; amount: number | null }[],
      ): Promise<void> =>
        network.publish(announceTopic('text.stats'), {
          type: 'capsule_announce',
          nodeId: network.nodeId,
          capsuleIds: summaries.map(({ id }) => id),
          capsuleSummaries: summaries.map((summary) => ({
            ...summary,
            privacyRule: 'public',
            expiresAt: null,
            bytes: 500,
          })),
        }),
    };
  }
});
