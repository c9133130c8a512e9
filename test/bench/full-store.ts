import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Figure } from './figures.ts';
import { compared, inTurns, median, type RoundTrips } from './measure.ts';
import { startBenchNode } from './node-process.ts';
import { fillStore, signing } from './stored-capsules.ts';
import { ownUsage } from './usage.ts';

/* What a node has stored must cost it nothing: neither when it submits nor when it starts. */

const STORED = 100_000;
const UNFINISHED = 1_000;
const SUBMISSIONS = 200;
const STARTS = 3;

export async function storeFigures(rounds: number): Promise<Figure[]> {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-bench-'));
  await fillStore(directory, { ended: STORED });
  const ours = await submitter(directory);
  const bare = await submitter();
  const taken = await inTurns({ bare, ours }, { lanes: 1, count: SUBMISSIONS, rounds });
  await ours.stop();
  await bare.stop();
  await rm(directory, { recursive: true, force: true });
  return [
    {
      name: 'submitting with 100,000 capsules stored over an empty store',
      ...compared(taken, 'p50Ms', ' ms'),
      atMost: 1.1,
    },
  ];
}

/** From nothing open to ready, all of a node; what is taken up then runs on. */
export async function recoveryFigures(): Promise<Figure[]> {
  const stores = await mkdtemp(join(tmpdir(), 'capsule-bench-'));
  const [nothing, much] = [join(stores, 'empty'), join(stores, 'full')];
  await fillStore(nothing, { ended: 0 });
  await fillStore(much, { ended: STORED, unfinished: UNFINISHED });
  const empty: number[] = [];
  const full: number[] = [];
  for (let start = 0; start < STARTS; start++) {
    empty.push(await secondsToStart(nothing));
    full.push(await secondsToStart(much));
  }
  await rm(stores, { recursive: true, force: true });
  return [
    {
      name: 'start with 100,000 capsules stored, 1,000 of them taken up (s)',
      value: median(full),
      atMost: 1,
      detail: `with an empty store ${median(empty).toFixed(2)} s`,
    },
  ];
}

/** On a copy: a start changes what it takes up. */
async function secondsToStart(store: string): Promise<number> {
  const directory = `${store}-started`;
  await cp(store, directory, { recursive: true });
  const begun = performance.now();
  const { stop } = await startBenchNode({ echo: true, directory });
  const seconds = (performance.now() - begun) / 1000;
  await stop();
  await rm(directory, { recursive: true, force: true });
  return seconds;
}

/** A node that offers `test.echo` itself; a round trip is one submission until it is durable. */
async function submitter(directory?: string): Promise<RoundTrips> {
  const { node, seed, stop } = await startBenchNode({ echo: true, ...(directory && { directory }) });
  const { sign } = signing(seed);
  let count = STORED;
  return {
    async roundTrip() {
      await node.exchange.submit(sign(count++));
    },
    usage: async () => ownUsage(),
    stop,
  };
}
