import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import type { CapabilityApi, Intent } from '../../src/engine/capability.ts';
import { type EngineInit, MeshEngine } from '../../src/engine/engine.ts';
import { DEFAULT_EXCHANGE_INIT, type ExchangeInit } from '../../src/exchange/components.ts';
import { Exchange } from '../../src/exchange/exchange.ts';
import type { Life as CapsuleLife } from '../../src/exchange/machine/state.ts';
import type { MeshEvent } from '../../src/exchange/types.ts';
import { DatabaseLedger } from '../../src/ledger/ledger.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Crypto } from '../../src/lib/crypto.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { Advertiser } from '../../src/market/advertiser.ts';
import { ChangeFeed } from '../../src/market/change-feed.ts';
import { OwnSession } from '../../src/market/own-session.ts';
import { PeerHealthTracker } from '../../src/market/peer-health.ts';
import { ProviderTable } from '../../src/market/provider-table.ts';
import { createScheduler } from '../../src/market/scheduler.ts';
import type { MemoryHub } from '../../src/network/memory-hub.ts';
import { MemoryNetwork } from '../../src/network/memory-network.ts';
import { BufferedDatabase } from '../../src/store/buffered-database.ts';
import { DatabaseCapsuleStore } from '../../src/store/capsule-store.ts';
import type { MemoryDisk } from '../../src/store/memory-disk.ts';
import type { Database } from '../../src/store/types.ts';
import { silentLog } from './database.ts';
import { testModule } from './engine.ts';
import type { TestKey } from './keys.ts';
import { type DiskCondition, MortalDisk } from './mortal-disk.ts';

/** What a node is, whichever life it lives. */
export interface Body {
  readonly key: TestKey;
  readonly clock: Clock;
  /** The real one where absent. */
  readonly crypto?: Crypto;
  readonly hub: MemoryHub;
  readonly disk: { readonly medium: MemoryDisk; readonly condition: DiskCondition };
  /** Capability ids on offer, with their prices. */
  readonly offers: Record<string, number>;
  readonly work: OwnWork | undefined;
  readonly exchange: Partial<ExchangeInit>;
  readonly engine: Partial<EngineInit>;
  readonly creditLimit: number;
  /** Identities of strangers. */
  readonly strangers?: ReadonlySet<string>;
  /** From 1. */
  readonly number: number;
  /** Called at every fault point; throws where the node dies there. */
  pass(life: Life, point: string): void;
  onEvent(event: MeshEvent): void;
  onRun(run: WorkRun): void;
}

/** What a node's capabilities do instead of echoing; throws what they fail with. */
export type OwnWork = (
  intent: Intent,
  api: CapabilityApi,
) => Promise<JsonValue | undefined> | JsonValue | undefined;

/** One time that a capability's code began. */
export interface WorkRun {
  capability: string;
  raw: string;
  payload: JsonObject;
}

/** One life of a node: what a crash takes away. */
export interface Life {
  alive: boolean;
  /** Resolves when it crashed. */
  readonly ended: Promise<void>;
  readonly end: () => void;
  /** Timers that have neither fired nor been cancelled. */
  timers: number;
  readonly db: Database;
  readonly network: MemoryNetwork;
  readonly engine: MeshEngine;
  readonly capsules: DatabaseCapsuleStore<CapsuleLife>;
  readonly ledger: DatabaseLedger;
  readonly table: ProviderTable;
  readonly advertiser: Advertiser;
  readonly exchange: Exchange;
}

/** Composes a node of real parts, as `src/daemon/node.ts` does, that has no effect once its life has ended. */
export async function beginLife(body: Body): Promise<Life> {
  const { signer, nodeId } = body.key;
  const log = silentLog;
  const crypto = body.crypto ?? nodeCrypto;
  const clock: Clock = {
    now: () => body.clock.now(),
    monotonic: () => body.clock.monotonic(),
    after: (ms, callback) => mortalTimer(life, body.clock, ms, callback),
  };
  const { medium, condition } = body.disk;
  let begun: Life | undefined;
  const db = new BufferedDatabase({
    disk: new MortalDisk(medium, condition, () => begun?.alive !== false),
    log,
    clock,
  });
  const capsules = await DatabaseCapsuleStore.open<CapsuleLife>({ db, clock });
  const ledger = new DatabaseLedger(
    { db, crypto, clock },
    { creditLimit: () => body.creditLimit, self: signer.identity },
  );
  const standing = (identity: string) => {
    if (identity === signer.identity) return 'own';
    return body.strangers?.has(identity) ? 'stranger' : 'known';
  };
  const faults = { hit: (point: string) => body.pass(life, point) };
  const engine = new MeshEngine(
    { db, crypto, signer, clock, log, faults },
    {
      modules: [workModule(body, () => life.alive)],
      grantedByDefault: () => true,
      drainMs: 0,
      standing,
      ...body.engine,
    },
  );
  const network = new MemoryNetwork({ hub: body.hub, log, clock }, { nodeId });
  const changes = new ChangeFeed({ clock });
  const connected = (peer: string) => network.isConnected(peer);
  const table = new ProviderTable({ clock, connected, changes });
  const health = new PeerHealthTracker({ clock, changes });
  const local = (capabilityId: string) => engine.offer(capabilityId);
  const localNames = () => engine.offers().map(({ capability }) => capability.id);
  const scheduler = createScheduler({ table, local, localNames, health, nodeId });
  const advertiser = new Advertiser(
    { network, offers: engine, table, health, clock, random: () => 0.5, log },
    { session: await OwnSession.begin({ db, clock, crypto, signer }) },
  );
  const market = advertiser;
  const parts = {
    signer,
    crypto,
    clock,
    db,
    capsules,
    engine,
    scheduler,
    health,
    market,
    changes,
    ledger,
    network,
  };
  const exchange = new Exchange(
    { ...parts, standing, faults, log },
    { ...DEFAULT_EXCHANGE_INIT, ...body.exchange },
  );
  exchange.follow((event) => {
    if (life.alive) body.onEvent(event);
  });
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const life: Life = { alive: true, ended, end, timers: 0, ...parts, table, advertiser, exchange };
  begun = life;
  return life;
}

/** In the order of a real node. */
export async function startLife({ engine, network, exchange, advertiser }: Life): Promise<void> {
  await engine.start();
  await network.start();
  await exchange.start();
  await advertiser.start();
}

/** Connects to those that can be reached. */
export async function dial(life: Life, nodeIds: readonly string[]): Promise<void> {
  const { network } = life;
  for (const nodeId of nodeIds) {
    if (!life.alive || nodeId === network.nodeId || network.isConnected(nodeId)) continue;
    await network.dial(`/p2p/${nodeId}`).catch(() => {
      // Kept apart, or down.
    });
  }
}

/** Takes away everything that is not on the disk, at once. */
export function crash(life: Life): void {
  if (!life.alive) return;
  life.alive = false;
  life.end();
  void life.network.stop();
}

/** A timer that the life counts, and that does not outlive it. */
function mortalTimer(life: Life, clock: Clock, ms: number, callback: () => void): () => void {
  let pending = true;
  life.timers++;
  const done = (): boolean => {
    const was = pending;
    pending = false;
    if (was) life.timers--;
    return was;
  };
  const cancel = clock.after(ms, () => {
    if (done() && life.alive) callback();
  });
  return () => {
    done();
    cancel();
  };
}

/** All echo their payload, after `payload.ms` where that is there, or fail with `payload.code`; `work.fail` always does. */
function workModule(body: Body, alive: () => boolean): ReturnType<typeof testModule> {
  const capabilities = Object.entries(body.offers).map(([id, price]) => ({
    id,
    price,
    intent: id,
    idempotent: id !== 'work.once',
    estimatedLatency: 0.01,
    maxConcurrent: 64,
  }));
  // A module must offer something.
  const idle = { id: `idle.${body.key.nodeId.slice(-8).toLowerCase()}`, intent: 'idle' };
  const work = async (intent: Intent, api: CapabilityApi): Promise<JsonValue> => {
    const { capability, raw, payload } = intent;
    if (!alive()) return new Promise(() => {});
    body.onRun({ capability, raw, payload: { ...payload } });
    const own = await body.work?.(intent, api);
    if (own !== undefined) return own;
    if (capability === 'work.fail' || payload.code !== undefined) {
      throw Object.assign(new Error('It failed as it was asked to.'), { code: payload.code ?? 'internal' });
    }
    if (typeof payload.ms === 'number') await pause(body.clock, payload.ms, api);
    return { ...payload, by: body.key.identity };
  };
  return testModule(work, {
    id: 'work',
    permissions: ['progress'],
    capabilities: capabilities.length > 0 ? capabilities : [idle],
  });
}

function pause(clock: Clock, ms: number, { signal, progress }: CapabilityApi): Promise<void> {
  progress({ stage: 'waiting' });
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, resolve);
    signal.addEventListener('abort', () => {
      cancel();
      reject(new Error('aborted'));
    });
  });
}
