import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Api, createApi } from '../../../src/api/api.ts';
import { MeshClient, type MeshEvent } from '../../../src/client/index.ts';
import { memoryNode, NODE_ID, TOKEN } from '../../support/api-components.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const ENTRY = fileURLToPath(new URL('../../../src/client/index.ts', import.meta.url));
const ID = 'ab'.repeat(32);

let clock: VirtualClock;

describe('with a node', () => {
  let node: ReturnType<typeof memoryNode>;
  let api: Api;
  let client: MeshClient;

  beforeEach(async () => {
    clock = new VirtualClock(Date.now());
    node = memoryNode(clock);
    api = createApi(node.components, node.init);
    await api.start();
    client = new MeshClient({ url: `${api.url}/`, token: TOKEN, clock });
  });
  afterEach(() => api.stop());

  const submit = async (text: string): Promise<string> =>
    (await client.request('POST /api/capsules', { body: node.draft(text) })).id;

  it('gives what a route answers, by the type of its schema', async () => {
    const status = await client.request('GET /api/node');
    const typed: string = status.nodeId;
    expect(typed).toBe(NODE_ID);
    const id = await submit('a');
    const view = await client.request('GET /api/capsules/:id', { params: { id } });
    expect(view.record.requestedCapability).toBe('text.stats');
    expect(clock.pendingTimers).toBe(0);
  });

  it('goes through all pages of a list', async () => {
    const ids = [await submit('a'), await submit('b'), await submit('c')];
    const seen: string[] = [];
    for await (const row of client.all('GET /api/capsules', {}, { limit: 2 })) seen.push(row.id);
    expect(seen.sort()).toEqual(ids.sort());
  });

  it('sends bytes as an archive, and repeats a name for each of its values', async () => {
    const report = await client.request('POST /api/archives/verify', {
      body: new Uint8Array([1, 2, 3]),
      query: { allowlist: [ID, 'cd'.repeat(32)] },
    });
    expect(report.ok).toBe(false);
  });

  it('keeps what stands in a path out of the rest of it', async () => {
    await expect(
      client.request('DELETE /api/tokens/:name', { params: { name: '../credits?x' } }),
    ).rejects.toMatchObject({ name: 'MeshError', code: 'invalid_request' });
  });

  it.each([
    ['a capsule that is not there', TOKEN, 'not_found'],
    ['a token that is none', 'x', 'unauthorized'],
    ['no token', undefined, 'unauthorized'],
  ])('rejects with the code of the node: %s', async (_, token, code) => {
    const other = new MeshClient({ url: api.url, token });
    const asked = other.request('GET /api/capsules/:id', { params: { id: ID } });
    await expect(asked).rejects.toMatchObject({ name: 'MeshError', code });
  });

  it('waits for the end of a capsule', async () => {
    const id = await submit('a');
    const types: string[] = [];
    const ended = client.waitForEnd(id, {
      onEvent: ({ type }) => {
        types.push(type);
        if (type === 'status') node.end(id, { text: 'done' });
      },
    });
    expect(await ended).toMatchObject({ status: 'completed', result: { text: 'done' } });
    expect(types).toEqual(['status', 'done']);
  });

  it('ends with the reason of its signal', async () => {
    const abort = new AbortController();
    const id = await submit('a');
    const reason = new Error('enough');
    const following = client.waitForEnd(id, { signal: abort.signal, onEvent: () => abort.abort(reason) });
    await expect(following).rejects.toBe(reason);
  });
});

describe('with a node that fails it', () => {
  const frame = (sequence: number, type: string): string =>
    `id: life-${String(sequence)}\ndata: ${JSON.stringify({ sequence, type, at: 0, capsuleId: ID })}\n\n`;
  const stream = (...texts: string[]): Response =>
    new Response(new Blob(texts), { headers: { 'content-type': 'text/event-stream' } });

  /** A client whose requests are answered by `answers`, in order; `asked` has what each one resumed from. */
  function scripted(answers: readonly (() => Response)[]): { client: MeshClient; asked: (string | null)[] } {
    clock = new VirtualClock();
    const asked: (string | null)[] = [];
    const fake: typeof fetch = async (_, init) => {
      init?.signal?.throwIfAborted();
      asked.push(new Headers(init?.headers).get('last-event-id'));
      const answer = answers[asked.length - 1];
      if (answer === undefined) throw new TypeError('fetch failed');
      const response = answer();
      const signal = init?.signal ?? new AbortController().signal;
      return new Response(response.body?.pipeThrough(new TransformStream(), { signal }) ?? null, response);
    };
    return { client: new MeshClient({ url: 'http://node.test', fetch: fake, clock }), asked };
  }

  async function collect(events: AsyncIterable<MeshEvent>): Promise<number[]> {
    const seen: number[] = [];
    for await (const { sequence } of events) seen.push(sequence);
    return seen;
  }

  /** Lets time pass until it settles: it waits for nothing but time. */
  async function passing<T>(work: Promise<T>): Promise<T> {
    let open = true;
    const settled = work.finally(() => {
      open = false;
    });
    settled.catch(() => undefined);
    while (open) await clock.advance(500);
    return settled;
  }

  it('goes on after the last event where a stream breaks off, and ends with the capsule', async () => {
    const { client, asked } = scripted([
      () => stream(': open\n\n', frame(1, 'status'), frame(2, 'progress')),
      () => {
        throw new TypeError('fetch failed');
      },
      () => stream(frame(3, 'progress'), frame(4, 'done'), frame(5, 'status')),
    ]);
    expect(await passing(collect(client.follow({ id: ID })))).toEqual([1, 2, 3, 4]);
    expect(asked).toEqual([null, 'life-2', 'life-2']);
  });

  it('takes a stream that falls silent for broken', async () => {
    const { client, asked } = scripted([
      () => {
        const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
        void writable.getWriter().write(new TextEncoder().encode(frame(1, 'status')));
        return new Response(readable);
      },
      () => stream(frame(2, 'done')),
    ]);
    expect(await passing(collect(client.follow({ id: ID })))).toEqual([1, 2]);
    expect(asked).toEqual([null, 'life-1']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('gives up on a node that stays away, and on one that was never there at once', async () => {
    const gone = scripted([() => stream(frame(1, 'status'))]);
    await expect(passing(collect(gone.client.follow()))).rejects.toMatchObject({ code: 'unreachable' });
    expect(gone.asked).toHaveLength(21);
    const never = scripted([]);
    await expect(collect(never.client.follow())).rejects.toMatchObject({ code: 'unreachable' });
    expect(never.asked).toHaveLength(1);
  });

  it('takes a refusal for the last word', async () => {
    const body = { code: 'unauthorized', message: 'Revoked.' };
    const { client, asked } = scripted([
      () => stream(frame(1, 'status')),
      () => Response.json(body, { status: 401 }),
    ]);
    await expect(passing(collect(client.follow()))).rejects.toMatchObject(body);
    expect(asked).toHaveLength(2);
  });

  it.each([
    ['a page of a proxy', () => new Response('<h1>Bad gateway</h1>', { status: 502 }), 'internal'],
    [
      'a code that nobody knows',
      () => Response.json({ code: 'odd', message: 'x' }, { status: 400 }),
      'internal',
    ],
    [
      'JSON that is none',
      () => new Response('{', { headers: { 'content-type': 'application/json' } }),
      'unreachable',
    ],
  ])('has a code for %s', async (_, answer, code) => {
    const { client } = scripted([answer]);
    await expect(client.request('GET /api/node')).rejects.toMatchObject({ name: 'MeshError', code });
  });

  it('waits for an answer as long as it was told', async () => {
    clock = new VirtualClock();
    const silent: typeof fetch = (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      });
    const client = new MeshClient({ url: 'http://node.test', fetch: silent, clock });
    let failure: unknown;
    const asked = client.request('GET /api/node', { timeoutMs: 60_000 }).catch((error: unknown) => {
      failure = error;
    });
    await clock.advance(59_999);
    expect(failure).toBeUndefined();
    await clock.advance(1);
    await asked;
    expect(failure).toMatchObject({ code: 'unreachable', message: expect.stringContaining('in time') });
    await settle();
    expect(clock.pendingTimers).toBe(0);
  });
});

it('needs nothing that a browser has not, and none of the schemas', async () => {
  const foreign: string[] = [];
  const bundle = await rolldown({
    input: ENTRY,
    platform: 'browser',
    treeshake: false,
    external: (id) => {
      if (id.startsWith('node:')) foreign.push(id);
      return id.startsWith('node:');
    },
  });
  const { output } = await bundle.generate({ format: 'esm' });
  await bundle.close();
  expect(foreign).toEqual([]);
  expect(output[0].moduleIds.filter((id) => /typebox|src\/api/.test(id))).toEqual([]);
});
