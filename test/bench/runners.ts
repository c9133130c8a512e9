import { fileURLToPath } from 'node:url';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { MeshEngine } from '../../src/engine/engine.ts';
import { GRACE_MS, type Runner } from '../../src/engine/runners/runner.ts';
import { ThreadPool } from '../../src/engine/runners/threads/thread-pool.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { memoryTestDatabase, silentLog } from '../support/database.ts';
import { ECHO_FOLDER, request, resultOf } from '../support/engine.ts';
import { bob } from '../support/keys.ts';
import { ROOM_FOLDER } from '../support/runner-conformance.ts';
import type { Figure } from './figures.ts';
import { median } from './measure.ts';

/* What it costs that capabilities run in threads, and what it spares the node. */

const TEXT_FOLDER = fileURLToPath(new URL('../../capabilities/text', import.meta.url));
const CALLS = 2_000;
const WARM_UP = 300;
/** As much as `text.analyze` takes. */
const TEXT_CHARS = 500_000;
const ANALYSES = 8;
/** Between two looks at whether the event loop is late. */
const LOOK_MS = 5;
const KILLS = 5;
const LIMIT_MS = 300;

export async function withEngine<T>(
  folder: string,
  runner: Runner | undefined,
  work: (engine: MeshEngine) => Promise<T>,
  config: ReadonlyMap<string, JsonObject> = new Map(),
) {
  const engine = new MeshEngine(
    { db: memoryTestDatabase(), clock: systemClock, crypto: nodeCrypto, signer: bob.signer, log: silentLog },
    {
      modules: [{ folder, ...(runner && { runner }) }],
      grantedByDefault: () => true,
      config,
    },
  );
  await engine.start();
  try {
    return await work(engine);
  } finally {
    await engine.stop();
    await runner?.stop();
  }
}

const pool = (): ThreadPool => new ThreadPool({ clock: systemClock, log: silentLog });
export const own = (capability: string, payload: JsonObject) => ({
  ...request(capability, payload),
  origin: bob.identity,
});

/** Milliseconds that a thread adds to a call, at the median. */
async function addedByThread(): Promise<number> {
  return withEngine(ECHO_FOLDER, undefined, (inProcess) =>
    withEngine(ECHO_FOLDER, pool(), async (threads) => {
      const took = new Map([inProcess, threads].map((engine) => [engine, [] as number[]]));
      for (let call = 0; call < WARM_UP + CALLS; call++) {
        for (const [engine, times] of took) {
          const begun = performance.now();
          resultOf(await engine.handleIntent(own('test.echo', { text: 'Hello' })));
          if (call >= WARM_UP) times.push(performance.now() - begun);
        }
      }
      const [without = [], within = []] = [...took.values()];
      return median(within) - median(without);
    }),
  );
}

/** How late the event loop is at the 99th percentile while long texts are analysed, in milliseconds. */
async function lateness(runner: Runner | undefined, analyses: number): Promise<number> {
  const sentence =
    'Maria Keller opened the Oslo office of Noordzee Bank, and three rooms were let to a payment team. ';
  const text = sentence.repeat(Math.ceil(TEXT_CHARS / sentence.length)).slice(0, TEXT_CHARS);
  return withEngine(TEXT_FOLDER, runner, async (engine) => {
    resultOf(await engine.handleIntent(own('text.stats', { text: 'Warm.' })));
    const late: number[] = [];
    let watching = true;
    const look = (): void => {
      const begun = performance.now();
      setTimeout(() => {
        late.push(Math.max(0, performance.now() - begun - LOOK_MS));
        if (watching) look();
      }, LOOK_MS);
    };
    look();
    const work = Array.from({ length: analyses }, () => engine.handleIntent(own('text.analyze', { text })));
    for (const outcome of await Promise.all(work)) resultOf(outcome);
    watching = false;
    late.sort((a, b) => a - b);
    return late[Math.floor(late.length * 0.99)] ?? Number.NaN;
  });
}

/** Milliseconds beyond its limit and the grace after which code that blocks has a receipt. */
async function killedLate(): Promise<number> {
  return withEngine(ROOM_FOLDER, pool(), async (engine) => {
    const over: number[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      resultOf(await engine.handleIntent(own('room.run', { do: 'echo' })));
      const begun = performance.now();
      await engine.handleIntent(own('room.run', { do: 'block' }), { timeoutMs: LIMIT_MS });
      over.push(performance.now() - begun - LIMIT_MS - GRACE_MS);
    }
    return median(over);
  });
}

export async function runnerFigures(): Promise<Figure[]> {
  const before = await lateness(undefined, 1);
  return [
    { name: 'test.echo in a warm thread, added per call (ms)', value: await addedByThread(), atMost: 0.15 },
    {
      name: 'event loop late while 8 long texts are analysed, p99 (ms)',
      value: await lateness(pool(), ANALYSES),
      atMost: 20,
      detail: `${before.toFixed(0)} ms while one of them is analysed in the node's own process`,
    },
    { name: 'a blocked run, over its limit and grace (ms)', value: await killedLate(), atMost: 100 },
  ];
}
