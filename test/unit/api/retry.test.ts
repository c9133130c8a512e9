import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Access } from '../../../src/api/access.ts';
import type { Server } from '../../../src/api/route-context.ts';
import type { CapsuleView } from '../../../src/api/schemas/capsules.ts';
import { buildServer } from '../../../src/api/server.ts';
import { memoryNode, NODE_ID, TOKEN } from '../../support/api-components.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const HOUR = 3_600_000;
const error = { code: 'timeout', message: 'It took too long.' } as const;
let clock: VirtualClock;
let node: ReturnType<typeof memoryNode>;
let app: Server;
beforeEach(async () => {
  clock = new VirtualClock(1_800_000_000_000);
  node = memoryNode(clock);
  const init = { ...node.init, hosts: ['localhost'] };
  app = await buildServer(node.components, init, new Access(node.components, init));
  await app.ready();
});
afterEach(() => app.close());

async function retry(id: string, query = '') {
  const response = await app.inject({
    method: 'POST',
    url: `/api/capsules/${id}/retry${query}`,
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  return { status: response.statusCode, headers: response.headers, body: response.json() };
}

const step = (executionPolicy?: { expiresAt: number }) => ({
  requestedCapability: 'report.create',
  payloadTemplate: { a: '$result' },
  ...(executionPolicy && { executionPolicy }),
});

async function submit(draft: object = {}, options = {}): Promise<string> {
  const signed = node.components.signDraft({ ...node.draft(), ...draft });
  return (await node.components.capsules.submit(signed, options)).id;
}

function view(id: string): CapsuleView {
  return node.views.get(id) ?? expect.fail('no such capsule');
}

/** A step of the chain that began with `root`, as the exchange derives and stores it. */
async function stepOf(root: string): Promise<string> {
  const id = await submit({ requestedCapability: 'report.create' });
  const { record, capsule } = view(id);
  const chained = { parentCapsule: root, chainDepth: 1 };
  node.views.set(id, {
    ...view(id),
    record: { ...record, ...chained, root },
    capsule: { ...capsule, ...chained },
  });
  return id;
}

describe('POST /api/capsules/:id/retry', () => {
  it('submits the same again, signed under a new timestamp', async () => {
    const asked = { paymentRule: { type: 'credit', amount: 2, charge: 'price' }, next: [step()] };
    const id = await submit({ ...asked, executionPolicy: { maxRetries: 0 } });
    node.fail(id, error);
    await clock.advance(HOUR);
    const { status, headers, body } = await retry(id);
    expect({ status, body }).toEqual({ status: 202, body: { id: expect.any(String), retryOf: id } });
    expect(body.id).not.toBe(id);
    expect(headers.location).toBe(`/api/capsules/${body.id}`);
    const { id: _, signature, timestamp, ...content } = view(id).capsule;
    expect(view(body.id).capsule).toMatchObject({ ...content, timestamp: timestamp + HOUR });
    expect(node.submitted.at(-1)).toEqual({ signedHere: true });
  });

  it('gives it the lifetime that it had, and its steps too', async () => {
    const expiresAt = clock.now() + HOUR;
    const next = [{ ...step({ expiresAt: expiresAt + 5 }), next: [step({ expiresAt: expiresAt + 7 })] }];
    const id = await submit({ executionPolicy: { timeout: 9, expiresAt }, next });
    node.fail(id, error);
    await clock.advance(2 * HOUR);
    const { capsule } = view((await retry(id)).body.id);
    const later = expiresAt + 2 * HOUR;
    expect(capsule.executionPolicy).toEqual({ timeout: 9, expiresAt: later });
    expect(capsule.next?.[0]?.executionPolicy).toEqual({ expiresAt: later + 5 });
    expect(capsule.next?.[0]?.next?.[0]?.executionPolicy).toEqual({ expiresAt: later + 7 });
  });

  it('is another capsule also in the same millisecond', async () => {
    const id = await submit();
    node.fail(id, error);
    const { body } = await retry(id);
    expect(body.id).not.toBe(id);
    expect(view(body.id).status).toBe('pending');
  });

  it('keeps the node that was named, until another one is', async () => {
    const id = await submit({}, { executor: NODE_ID });
    node.fail(id, error);
    await retry(id);
    expect(node.submitted.at(-1)).toEqual({ signedHere: true, executor: NODE_ID });
    const other = '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5';
    await retry(id, `?executor=${other}`);
    expect(node.submitted.at(-1)).toEqual({ signedHere: true, executor: other });
  });

  it('submits the whole chain of a step that failed, and says so', async () => {
    const root = await submit({ next: [step()] });
    node.end(root, {});
    const child = await stepOf(root);
    node.fail(child, error);
    await clock.advance(1);
    const { status, body } = await retry(child);
    expect({ status, retryOf: body.retryOf }).toEqual({ status: 202, retryOf: root });
    expect(view(body.id).capsule).toMatchObject({
      requestedCapability: 'text.stats',
      parentCapsule: null,
      next: [step()],
    });
  });

  it('submits a chain again by its root, which completed, where a step failed', async () => {
    const root = await submit({ next: [step()] });
    node.end(root, {});
    const { of } = node.components.workflows;
    node.components.workflows.of = (id) => {
      const found = of(id);
      return found && { ...found, status: 'failed' };
    };
    await clock.advance(1);
    expect(await retry(root)).toMatchObject({ status: 202, body: { retryOf: root } });
  });

  it('waits for the outcome where asked', async () => {
    const id = await submit();
    node.fail(id, error);
    await clock.advance(1);
    const waiting = retry(id, '?wait=1000');
    while (node.followers.size === 0) await settle();
    const [again] = [...node.views.keys()].slice(-1);
    node.end(again ?? '', { words: 1 });
    expect(await waiting).toMatchObject({ status: 200, body: { id: again, status: 'completed' } });
  });

  it('refuses what has not ended, what completed, and a chain under way', async () => {
    const id = await submit();
    expect(await retry(id)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    node.end(id, {});
    expect(await retry(id)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    const failed = await submit({ payload: { text: 'other' } });
    node.fail(failed, error);
    const { of } = node.components.workflows;
    node.components.workflows.of = (each) => {
      const found = of(each);
      return found && { ...found, status: 'executing' };
    };
    expect(await retry(failed)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(node.submitted).toHaveLength(2);
  });

  it('refuses what another signed, and what is not there', async () => {
    const id = await submit();
    node.fail(id, error);
    const { capsule } = view(id);
    node.views.set(id, { ...view(id), capsule: { ...capsule, originIdentity: 'cd'.repeat(32) } });
    expect(await retry(id)).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
    expect(await retry('0'.repeat(64))).toMatchObject({ status: 404, body: { code: 'not_found' } });
    const root = await submit({ next: [step()] });
    const child = await stepOf(root);
    node.fail(child, error);
    node.views.delete(root);
    expect(await retry(child)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });
});
