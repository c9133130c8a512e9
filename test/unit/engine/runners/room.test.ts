import { describe, expect, it } from 'vitest';
import type { CapabilityModule } from '../../../../src/engine/capability.ts';
import { Room } from '../../../../src/engine/runners/room.ts';
import { MeshError } from '../../../../src/lib/errors.ts';
import { intentOf, memoryApi } from '../../../support/capability-api.ts';
import { silentLog } from '../../../support/database.ts';
import { loopback } from '../../../support/loopback.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

const ALL = ['storage', 'progress', 'log', 'identity', 'models', 'seal', 'network:example.org'];

async function roomOf(module: CapabilityModule) {
  const clock = new VirtualClock();
  const room = new Room(
    { channel: loopback(module), clock, log: silentLog },
    { graceMs: 250, loadMs: 1_000 },
  );
  await room.load({ id: 'unit', codeHash: 'c0de'.repeat(16), from: { folder: '/none', files: [] } });
  const memory = memoryApi();
  const call = (signal = new AbortController().signal, declared = ALL) => {
    const { identity } = memory.api;
    const facts = () => ({
      module: 'unit',
      declared,
      granted: declared,
      config: {},
      now: 1_700_000_000_000,
      identity,
      sealKey: null,
    });
    return room.call('unit', {
      intent: intentOf('unit.run', { a: 1 }),
      scope: { api: memory.api, facts },
      signal,
    });
  };
  return { room, call, memory, clock };
}

describe('a room', () => {
  it('gives back what the code gave', async () => {
    const { call } = await roomOf({ run: async ({ payload }) => ({ got: payload.a ?? null }) });
    expect(await call().ended).toEqual({ value: { got: 1 }, use: null });
  });

  it('streams all that was said, in order, however much of it', async () => {
    const { call, memory } = await roomOf({
      run: async (_intent, { progress }) => {
        for (let count = 0; count < 100_000; count++) progress({ delta: `${count % 10}` });
        return null;
      },
    });
    expect(await call().ended).toMatchObject({ value: null });
    expect(memory.progress.map(({ delta }) => delta).join('')).toBe('0123456789'.repeat(10_000));
  });

  it('refuses what is not declared as it is touched', async () => {
    const { call } = await roomOf({ run: async (_intent, api) => api.storage.get('a').then(() => null) });
    const end = await call(undefined, []).ended;
    expect(end).toMatchObject({ thrown: { code: 'permission_denied' } });
  });

  it('is closed where the code does not stop', async () => {
    const { room, call, clock } = await roomOf({ run: () => new Promise(() => {}) });
    const controller = new AbortController();
    const run = call(controller.signal);
    controller.abort(new MeshError('timeout', 'Too long.'));
    await clock.advance(250);
    expect(await run.ended).toMatchObject({ thrown: { code: 'timeout' } });
    await room.gone;
  });
});
