import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { createCapsule, signCapsule } from '../../src/capsule/capsule.ts';
import { nodeIdOf } from '../../src/capsule/identity.ts';
import { DEFAULT_EXCHANGE_INIT } from '../../src/exchange/components.ts';
import type { Event } from '../../src/exchange/machine/event.ts';
import { step } from '../../src/exchange/machine/machine.ts';
import type { Life } from '../../src/exchange/machine/state.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createSigner } from '../../src/lib/crypto.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { DatabaseCapsuleStore } from '../../src/store/capsule-store.ts';
import { openDatabase } from '../../src/store/database.ts';
import { median, oneAtATime } from './measure.ts';
import { startBenchNode } from './node-process.ts';

const STORED = 100_000;
const STORED_BATCH = 500;
const ROUNDS = 5;
const PER_ROUND = 200;

export interface StoredFigures {
  emptyMs: number;
  fullMs: number;
  ratio: number;
}

/** Submitting to a node that has stored 100,000 ended capsules, over submitting to one that has stored none. */
export async function benchStoredCapsules(): Promise<StoredFigures> {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-bench-'));
  await fill(directory);
  const full = await submitter(directory);
  const empty = await submitter();
  const samples = { full: [] as number[], empty: [] as number[] };
  for (const subject of [full, empty]) await oneAtATime(subject, PER_ROUND);
  // Taken in turns, so that a slow moment of the machine falls on both.
  for (let round = 0; round < ROUNDS; round++) {
    samples.full.push(...(await oneAtATime(full, PER_ROUND)));
    samples.empty.push(...(await oneAtATime(empty, PER_ROUND)));
  }
  await full.stop();
  await empty.stop();
  await rm(directory, { recursive: true, force: true });
  const [fullMs, emptyMs] = [median(samples.full), median(samples.empty)];
  return { emptyMs, fullMs, ratio: fullMs / emptyMs };
}

/** A node that offers `test.echo` itself; a round trip is one submission until it is durable. */
async function submitter(directory?: string) {
  const { node, seed, stop } = await startBenchNode({ echo: true, ...(directory && { directory }) });
  const sign = signing(seed);
  let count = 0;
  return {
    async roundTrip() {
      await node.exchange.submit(sign(count++));
    },
    stop,
  };
}

/** Each has ended, cancelled: the machine's own rows, without the work. */
async function fill(directory: string): Promise<void> {
  const db = await openDatabase({ directory, log: pino({ level: 'silent' }), clock: systemClock });
  const capsules = await DatabaseCapsuleStore.open<Life>({ db, clock: systemClock });
  const seed = nodeCrypto.randomBytes(32);
  const { identity } = createSigner(nodeCrypto, seed);
  const self = nodeIdOf(identity);
  const sign = signing(seed);
  for (let stored = 0; stored < STORED; stored += STORED_BATCH) {
    const tx = db.transaction();
    for (let index = 0; index < STORED_BATCH; index++) {
      const capsule = sign(stored + index);
      const setting = { self, identity, now: systemClock.now(), limits: DEFAULT_EXCHANGE_INIT };
      const submitted: Event = { type: 'submitted', capsule, root: capsule.id, only: null };
      const { state } = step(undefined, capsule, submitted, setting);
      capsules.add(tx, capsule, step(state, capsule, { type: 'cancel' }, setting).state);
    }
    await tx.commit();
  }
  await db.close();
}

function signing(seed: Uint8Array): (count: number) => Capsule {
  const signer = createSigner(nodeCrypto, seed);
  const payload = { text: 'x'.repeat(960) };
  return (count) =>
    signCapsule(
      signer,
      nodeCrypto,
      createCapsule(
        { originIdentity: signer.identity, requestedCapability: 'test.echo', payload: { ...payload, count } },
        systemClock,
      ),
    );
}
