import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Api, createApi } from '../../../src/api/api.ts';
import type { ApiComponents } from '../../../src/api/components.ts';
import { memoryNode, NODE_ID, TOKEN } from '../../support/api-components.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

let api: Api | undefined;
afterEach(() => api?.stop());

/** Work that goes on until it is told to end. */
function endless() {
  const begun = Promise.withResolvers<AbortSignal>();
  const ended = Promise.withResolvers<void>();
  const work = (signal: AbortSignal | undefined): Promise<never> => {
    if (signal === undefined) begun.reject(new Error('The work is given no signal'));
    else begun.resolve(signal);
    return new Promise((_, reject) => {
      signal?.addEventListener('abort', () => {
        ended.resolve();
        reject(signal.reason);
      });
    });
  };
  return { begun: begun.promise, ended: ended.promise, work };
}

type Work = ReturnType<typeof endless>['work'];
const hash = 'cd'.repeat(32);

/** Everything that reads on for as long as there is something, and how it is replaced by work without end. */
const LONG: Record<string, (components: ApiComponents, work: Work) => Partial<ApiComponents>> = {
  'GET /api/capsules?status=failed': ({ store }, work) => ({
    store: { ...store, list: ({ signal }) => work(signal) },
  }),
  'GET /api/workflows': ({ workflows }, work) => ({
    workflows: { ...workflows, list: ({ signal }) => work(signal) },
  }),
  [`GET /api/workflows/${hash}/archive`]: ({ archives }, work) => ({
    archives: { ...archives, sealWorkflow: (_id, { signal }) => work(signal) },
  }),
  'POST /api/archives/verify': ({ archives }, work) => ({
    archives: { ...archives, verify: (_bytes, { signal }) => work(signal) },
  }),
  'GET /api/receipts/verify': ({ engine }, work) => ({
    engine: { ...engine, receipts: { ...engine.receipts, verify: (options) => work(options?.signal) } },
  }),
  [`GET /api/receipts/${hash}`]: ({ engine }, work) => ({
    engine: { ...engine, receipts: { ...engine.receipts, get: (_hash, options) => work(options?.signal) } },
  }),
  'GET /api/credits/verify': ({ ledger }, work) => ({
    ledger: { ...ledger, verify: (options) => work(options?.signal) },
  }),
  'GET /api/credits/history': ({ ledger }, work) => ({
    ledger: { ...ledger, history: ({ signal }) => work(signal) },
  }),
  [`GET /api/credits/reconcile/${NODE_ID}`]: (_components, work) => ({
    reconcile: (_node, { signal }) => work(signal),
  }),
};

describe('a client that goes away', () => {
  it.each(Object.keys(LONG))('ends what was done for it: %s', async (route) => {
    const { components, init, logged } = memoryNode(new VirtualClock());
    const { work, begun, ended } = endless();
    api = createApi({ ...components, ...LONG[route]?.(components, work) }, init);
    await api.start();
    const { port } = new URL(api.url);
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    const body = route.startsWith('POST')
      ? 'content-type: application/zip\r\ncontent-length: 1\r\n\r\nx'
      : '\r\n';
    socket.write(`${route} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${TOKEN}\r\n${body}`);
    const signal = await begun;
    expect(signal.aborted).toBe(false);
    socket.destroy();
    await ended;
    expect(logged.filter((line) => line.includes('A request failed'))).toEqual([]);
  });
});
