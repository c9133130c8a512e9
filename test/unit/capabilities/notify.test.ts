import { describe, expect, it } from 'vitest';
import { run } from '../../../capabilities/notify/index.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { compileJsonSchema } from '../../../src/capsule/json-schema.ts';
import type { NetworkApi } from '../../../src/engine/capability.ts';
import { MeshError } from '../../../src/lib/errors.ts';
import { intentOf, memoryApi } from '../../support/capability-api.ts';
import { outputCheck, specOf } from '../../support/capability-manifest.ts';

const SOURCE = `capsule:${'c'.repeat(64)}`;

function setup(status = 200) {
  const requests: Parameters<NetworkApi['webhook']>[] = [];
  const memory = memoryApi({
    webhook: async (...request) => {
      requests.push(request);
      return { status, body: '' };
    },
  });
  return {
    ...memory,
    requests,
    send: (payload: JsonObject) => run(intentOf('notify.send', payload), memory.api),
  };
}

describe('notify.send', () => {
  it('writes to the log unless another channel is named', async () => {
    const { send, logs, requests } = setup();
    const result = await send({ title: 'Done', message: 'The report is stored.' });
    expect(result).toEqual({ delivered: [{ channel: 'log', status: 'delivered' }] });
    expect(logs).toEqual([
      { message: 'Notification', context: { title: 'Done', message: 'The report is stored.' } },
    ]);
    expect(requests).toEqual([]);
    expect((await outputCheck('notify', 'notify.send'))(result)).toBeNull();
  });

  it('posts to a webhook, named so that a receiver can tell a repeated delivery', async () => {
    const { send, logs, requests } = setup(204);
    const payload = { message: 'Hi', data: { key: 'k' }, channels: ['webhook', 'log'], webhook: 'team' };
    const result = await send(payload);
    expect(result).toEqual({
      delivered: [
        { channel: 'webhook', status: 'delivered', httpStatus: 204 },
        { channel: 'log', status: 'delivered' },
      ],
    });
    expect((await outputCheck('notify', 'notify.send'))(result)).toBeNull();
    expect(logs).toHaveLength(1);
    const [[name, init] = []] = requests;
    expect(name).toBe('team');
    expect(init).toMatchObject({
      headers: { 'content-type': 'application/json', 'idempotency-key': SOURCE },
    });
    expect(JSON.parse(init?.body ?? '')).toEqual({
      title: null,
      message: 'Hi',
      data: { key: 'k' },
      source: SOURCE,
      timestamp: 1_700_000_000_000,
    });
  });

  it('uses the webhook called default when none is named', async () => {
    const { send, requests } = setup();
    await send({ message: 'Hi', channels: ['webhook'] });
    expect(requests[0]?.[0]).toBe('default');
  });

  it('admits no address', async () => {
    const check = compileJsonSchema((await specOf('notify', 'notify.send')).input);
    const message = { message: 'Hi', channels: ['webhook'] };
    expect(check({ ...message, webhook: 'team' })).toBeNull();
    for (const more of [{ url: 'https://hooks.example.org/' }, { webhook: 'https://hooks.example.org/' }])
      expect(check({ ...message, ...more })).not.toBeNull();
  });

  it.each([
    [302, 'invalid_payload'],
    [400, 'invalid_payload'],
    [401, 'permission_denied'],
    [403, 'permission_denied'],
    [404, 'not_found'],
    [429, 'rate_limited'],
    [500, 'unreachable'],
    [503, 'unreachable'],
  ])(
    'fails when the webhook answers %s, with %s, before anything else is delivered',
    async (status, code) => {
      const { send, logs } = setup(status);
      const sending = send({ message: 'Hi', channels: ['log', 'webhook'] });
      await expect(sending).rejects.toMatchObject({ code, message: expect.stringContaining(String(status)) });
      expect(logs).toEqual([]);
    },
  );

  it("passes on the network's own refusal", async () => {
    const { api, logs } = memoryApi({
      webhook: () => Promise.reject(new MeshError('not_found', 'No such webhook.')),
    });
    const payload = { message: 'Hi', channels: ['webhook', 'log'], webhook: 'elsewhere' };
    await expect(run(intentOf('notify.send', payload), api)).rejects.toMatchObject({
      code: 'not_found',
    });
    expect(logs).toEqual([]);
  });

  it.each([
    ['no message', {}],
    ['no channel', { message: 'Hi', channels: [] }],
    ['an unknown channel', { message: 'Hi', channels: ['pigeon'] }],
    ['channels that are no list', { message: 'Hi', channels: 'log' }],
  ])('refuses %s', async (_, payload) => {
    await expect(setup().send(payload)).rejects.toMatchObject({ code: 'invalid_payload' });
  });
});
