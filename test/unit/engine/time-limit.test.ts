import { describe, expect, it } from 'vitest';
import { type TimeLimit, timeFor } from '../../../src/engine/time-limit.ts';
import { errorOf, request, resultOf, startedEngine, testModule } from '../../support/engine.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const TIMES = { defaultTimeoutMs: 100, maxTimeoutMs: 1_000, strangerTimeoutMs: 500 };

describe('the time of a run', () => {
  type Init = ConstructorParameters<typeof TimeLimit>[1];
  it.each<[boolean, 'own' | 'known' | 'stranger', number | undefined, Init]>([
    [true, 'known', undefined, { totalMs: 1_000, silenceMs: 100 }],
    [true, 'stranger', undefined, { totalMs: 500, silenceMs: 100 }],
    [true, 'own', 300, { totalMs: 300, silenceMs: undefined }],
    [false, 'own', undefined, { totalMs: 100, silenceMs: undefined }],
    [false, 'own', 5_000, { totalMs: 1_000, silenceMs: undefined }],
    [false, 'stranger', 5_000, { totalMs: 500, silenceMs: undefined }],
  ])('streaming %s, %s, asked for %s', (streaming, standing, timeoutMs, expected) => {
    expect(timeFor(TIMES, { streaming, standing, timeoutMs })).toEqual(expected);
  });

  /** Speaks every 80 ms, so many times, and then never again or ends. */
  async function speaking(times: number, { ends = true, streaming = true } = {}) {
    const clock = new VirtualClock();
    const module = testModule(
      async ({ payload }, api) => {
        for (let said = 0; said < times; said++) {
          await new Promise<void>((resolve) => clock.after(80, resolve));
          api.progress({ delta: 'word ' });
        }
        if (!ends) await new Promise(() => {});
        return payload;
      },
      { permissions: ['progress'], capabilities: [{ streaming }] },
    );
    const { engine } = await startedEngine({ modules: [module], ...TIMES }, { clock });
    return { engine, clock };
  }

  async function run(
    times: number,
    options: { ends?: boolean; streaming?: boolean; timeoutMs?: number } = {},
  ) {
    const { engine, clock } = await speaking(times, options);
    const { timeoutMs } = options;
    const pending = engine.handleIntent(request('unit.run'), timeoutMs === undefined ? {} : { timeoutMs });
    await clock.advance(2_000);
    return pending;
  }

  it('lasts while text flows', async () => {
    expect(resultOf(await run(6))).toEqual({});
  });

  it('ends when nothing is heard any more', async () => {
    expect(errorOf(await run(3, { ends: false }))).toEqual({
      code: 'timeout',
      message: 'Nothing was heard of the work for 100 ms.',
    });
  });

  it('ends at its longest, however much is said', async () => {
    expect(errorOf(await run(20))).toEqual({
      code: 'timeout',
      message: 'The work was not done within 1000 ms.',
    });
  });

  it('is what the caller says where it says so', async () => {
    expect(errorOf(await run(6, { timeoutMs: 300 })).message).toBe('The work was not done within 300 ms.');
  });

  it('is as ever for what does not stream', async () => {
    expect(errorOf(await run(6, { streaming: false })).message).toBe('The work was not done within 100 ms.');
  });
});
