import type { Logger } from 'pino';
import { type Api, createApi } from '../api/api.ts';
import { draftSigner } from '../api/draft.ts';
import type { NodeStatus } from '../api/schemas/node.ts';
import { identityOf } from '../capsule/identity.ts';
import { MeshEngine } from '../engine/engine.ts';
import { OllamaModels } from '../engine/ollama-models.ts';
import type { Runner } from '../engine/runners/runner.ts';
import { ThreadPool } from '../engine/runners/threads/thread-pool.ts';
import { WasmPool } from '../engine/runners/wasm/wasm-pool.ts';
import { DEFAULT_EXCHANGE_INIT } from '../exchange/components.ts';
import { Exchange } from '../exchange/exchange.ts';
import type { Life } from '../exchange/machine/state.ts';
import { DatabaseLedger } from '../ledger/ledger.ts';
import { systemClock } from '../lib/clock.ts';
import { createSigner } from '../lib/crypto.ts';
import { nodeCrypto } from '../lib/crypto-node.ts';
import type { MeshError } from '../lib/errors.ts';
import { type FaultPoints, noFaultPoints } from '../lib/fault-points.ts';
import { type Startable, startAll, stopAll } from '../lib/lifecycle.ts';
import type { OffersSource } from '../market/advertisement.ts';
import { Advertiser } from '../market/advertiser.ts';
import { ChangeFeed } from '../market/change-feed.ts';
import { OwnSession } from '../market/own-session.ts';
import { PeerHealthTracker } from '../market/peer-health.ts';
import { ProviderTable } from '../market/provider-table.ts';
import { createScheduler } from '../market/scheduler.ts';
import { TwinWatch } from '../market/twin-watch.ts';
import { createLibp2pNetwork } from '../network/libp2p-network.ts';
import { DatabaseCapsuleStore } from '../store/capsule-store.ts';
import { openDatabase } from '../store/database.ts';
import type { Database } from '../store/types.ts';
import { Workflows } from '../workflow/tree.ts';
import { archivesOf } from './archives.ts';
import { type CapabilityFolder, findCapabilities, isWasm } from './capability-folders.ts';
import type { Config } from './config-schema.ts';
import { checkConsistency } from './consistency.ts';
import { defaultGrants } from './default-grants.ts';
import type { NodeIdentity } from './identity-file.ts';
import { pricesOf } from './prices.ts';
import { DatabasePrincipals } from './principals.ts';
import { Pruning } from './pruning.ts';
import { reconcileWith } from './reconciliation.ts';
import { standingsOf } from './standing.ts';
import { loadOrCreateToken, removeApiAddress, writeApiAddress } from './token-file.ts';
import { packageVersion } from './version.ts';
import { wasmTimeLimit } from './wasm-time-limit.ts';
import { webhooksOf } from './webhooks.ts';

export interface NodeOptions {
  /** Complete; `data.directory` is absolute. */
  config: Config;
  identity: NodeIdentity;
  log: Logger;
  /** For durability tests; see `exchange/fault-points.ts`. */
  faults?: FaultPoints;
  /** Called once when the disk failed: the node can promise nothing any more and must be stopped. */
  onFatal?: (error: MeshError) => void;
}

export interface NodeInfo {
  nodeId: string;
  identity: string;
  /** Multiaddrs under which others reach it. */
  addresses: string[];
  /** Capability ids on offer. */
  capabilities: string[];
  /** Modules that offer nothing now, and why. */
  unavailable: { module: string; reason: string }[];
  apiUrl: string;
  /** Carries a one-time code. */
  consoleUrl: string;
}

/** A node, composed and not started. Opening the store already holds the data directory's lock. */
export interface MeshNode extends Startable {
  info(): NodeInfo;
  /** The spine, for callers in this process (benchmarks, embedding). */
  readonly exchange: Exchange;
  readonly engine: MeshEngine;
}

/** Builds a node from top to bottom; the only place that says `new` for an adapter (node "Layers"). */
export async function createNode(options: NodeOptions): Promise<MeshNode> {
  const { config, log, faults = noFaultPoints, onFatal } = options;
  const { directory } = config.data;
  const clock = systemClock;
  const crypto = nodeCrypto;
  const signer = createSigner(crypto, options.identity.seed);
  const version = packageVersion();
  const part = (name: string) => log.child({ part: name });

  const db = await openDatabase({
    directory,
    log: part('store'),
    clock,
    faults,
    ...(onFatal && { onFailure: onFatal }),
  });
  const token = await loadOrCreateToken(directory, crypto);
  const capsules = await DatabaseCapsuleStore.open<Life>({ db, clock });
  const principals = await DatabasePrincipals.open({ db, crypto, ageNow: () => capsules.ageNow() });
  const { standing, creditLimit, othersLimit } = standingsOf(signer.identity, config);
  const ledger = new DatabaseLedger({ db, crypto, clock }, { creditLimit, self: signer.identity });

  const folders = await findCapabilities(config.capabilities);
  const builtIn = new Set(folders.filter((each) => each.builtIn).map(({ name }) => name));
  const { threads: computing, threadMemoryMb: memoryMb, graceMs } = config.engine;
  const threads = new ThreadPool({ clock, log: part('engine') }, { computing, memoryMb, graceMs });
  const wasm = new WasmPool(
    { clock, log: part('engine'), probes: threads },
    { rooms: computing, memoryMb, timeLimit: wasmTimeLimit },
  );
  const runnerOf = (found: CapabilityFolder): Runner => (isWasm(found) ? wasm : threads);
  const models = new OllamaModels({ host: config.models.ollama, parallel: config.models.parallel }).port;
  const engine = new MeshEngine(
    { db, crypto, signer, clock, log: part('engine'), models, faults },
    {
      ...config.engine,
      maxWaiting: config.engine.queue,
      standing,
      modules: folders.map((found) => ({ folder: found.folder, runner: runnerOf(found) })),
      config: new Map(Object.entries(config.capabilities.settings)),
      prices: pricesOf(config),
      webhooks: webhooksOf(config, process.env),
      grantedByDefault: defaultGrants(config.permissions, builtIn),
    },
  );

  const { maxConnections, maxPerHost, maxPerNearHost, ...peers } = config.network;
  const network = createLibp2pNetwork(
    { log: part('network'), clock, crypto },
    { ...peers, seed: options.identity.seed, limits: { maxConnections, maxPerHost, maxPerNearHost } },
  );
  const { nodeId } = network;
  const session = await OwnSession.begin({ db, clock, crypto, signer });
  const changes = new ChangeFeed({ clock });
  const connected = (peer: string) => network.isConnected(peer);
  const table = new ProviderTable(
    { clock, connected, changes },
    { weights: config.market.weights, ttlMs: config.market.ttlMs },
  );
  const health = new PeerHealthTracker({ clock, changes });
  const local = (capabilityId: string) => engine.offer(capabilityId);
  const localNames = () => engine.offers().map(({ capability }) => capability.id);
  const scheduler = createScheduler({ table, local, localNames, health, nodeId });
  const offers: OffersSource = {
    offers: () => engine.offers().filter(({ ownOnly }) => ownOnly !== true),
    onOffersChanged: (listener) => engine.onOffersChanged(listener),
  };
  const advertiser = new Advertiser(
    { network, offers, table, health, clock, random: Math.random, log: part('market') },
    { intervalMs: config.market.advertiseIntervalMs, session },
  );
  const twins = new TwinWatch({ network, session, advertiser, log: part('market') });
  const exchange = new Exchange(
    {
      signer,
      crypto,
      clock,
      db,
      capsules,
      engine,
      scheduler,
      health,
      market: advertiser,
      changes,
      standing,
      ledger,
      network,
      faults,
      log: part('exchange'),
    },
    { ...DEFAULT_EXCHANGE_INIT, ...config.exchange, maxRunMs: config.engine.maxTimeoutMs },
  );
  const { ownMaxBytes: own, knownMaxBytes: known, strangerMaxBytes: stranger } = config.store;
  const maxBytes = { own, known, stranger };
  const pruning = new Pruning({ capsules, clock, log: part('store') }, { ...config.store, maxBytes });

  const startedAt = clock.now();
  const startedMonotonic = clock.monotonic();
  const status = async (): Promise<NodeStatus> => ({
    nodeId,
    identity: signer.identity,
    version,
    labels: config.node.labels,
    startedAt,
    uptimeMs: Math.round(clock.monotonic() - startedMonotonic),
    addresses: network.addresses(),
    peers: network.peers().length,
    capabilities: localNames(),
    capsules: await capsules.counts(),
    load: engine.load(),
    memoryBytes: process.memoryUsage.rss(),
    dataDirectory: directory,
    warnings: [...(twins.warning === null ? [] : [twins.warning]), ...advertiser.warnings()],
  });
  let ready = false;
  const api = createApi(
    {
      capsules: exchange,
      workflows: new Workflows({ capsules }),
      archives: archivesOf({ capsules, explain: (id) => exchange.explain(id), signer, clock }),
      store: capsules,
      principals,
      signDraft: draftSigner({ signer, crypto, clock }),
      engine,
      ledger,
      reconcile: (peer, { signal }) =>
        reconcileWith({
          ledger,
          peer,
          peerIdentity: identityOf(peer),
          identity: signer.identity,
          theirs: exchange.ledgerEntriesOf(peer, { signal }),
          signal,
        }),
      market: {
        providers: ({ capability, limit }) =>
          capability === undefined ? table.all(limit) : table.providersOf(capability, { limit }),
      },
      network,
      node: { status, ready: () => ready },
      crypto,
      clock,
      log: part('api'),
    },
    {
      host: config.api.host,
      port: config.api.port,
      hosts: config.api.hosts,
      publicUrl: config.api.publicUrl || null,
      token: config.api.requireToken ? token : null,
      identity: signer.identity,
      creditLimit: othersLimit,
      version,
      quotas: {
        requestsPerSecond: config.api.requestsPerSecond,
        streams: config.api.streamsPerToken,
        capsules: config.api.capsulesPerToken,
      },
    },
  );

  const readiness: Startable = {
    start: async () => {
      ready = true;
    },
    stop: async () => {
      ready = false;
    },
  };
  // Started in this order, stopped in reverse: no call comes in before all is there, the store closes last.
  const parts = [
    closing(db),
    ledger,
    stopping(threads),
    stopping(wasm),
    engine,
    starting(() =>
      checkConsistency({ receipts: engine.receipts, ledger, capsules, identity: signer.identity }),
    ),
    network,
    exchange,
    twins,
    advertiser,
    pruning,
    api,
    addressFile(directory, api),
    readiness,
  ];
  return {
    exchange,
    engine,
    start: () => startAll(parts),
    stop: () => stopAll(parts),
    info: () => ({
      nodeId,
      identity: signer.identity,
      addresses: network.addresses(),
      capabilities: localNames(),
      unavailable: engine
        .modules()
        .flatMap(({ manifest, reason }) => (reason === null ? [] : [{ module: manifest.id, reason }])),
      apiUrl: api.url,
      consoleUrl: api.consoleUrl(),
    }),
  };
}

function starting(work: () => Promise<void>): Startable {
  return { start: work, stop: async () => {} };
}

function stopping(runner: Runner): Startable {
  return { start: async () => {}, stop: () => runner.stop() };
}

function closing(db: Database): Startable {
  return { start: async () => {}, stop: () => db.close() };
}

/** Tells the command line where the API is; gone after a clean stop. */
function addressFile(directory: string, api: Api): Startable {
  return {
    start: () => writeApiAddress(directory, { url: api.url, pid: process.pid }),
    stop: () => removeApiAddress(directory),
  };
}
