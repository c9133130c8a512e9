import { pino } from 'pino';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { ApiComponents, ApiInit } from '../../src/api/components.ts';
import { draftSigner } from '../../src/api/draft.ts';
import type { Principals } from '../../src/api/principal.ts';
import type { CapsuleView, MeshEvent } from '../../src/api/schemas/capsules.ts';
import { verifyApart } from '../../src/archive/apart/apart.ts';
import { nodeArchiveCrypto } from '../../src/archive/crypto/node-crypto.ts';
import { sealToBytes } from '../../src/archive/seal/seal.ts';
import { checkCapsule } from '../../src/capsule/check-capsule.ts';
import { nodeIdOf } from '../../src/capsule/identity.ts';
import { createNodeCrypto } from '../../src/lib/crypto-node.ts';
import { MeshError } from '../../src/lib/errors.ts';
import { toHex } from '../../src/lib/hex.ts';
import type { CapsuleRow } from '../../src/store/types.ts';
import { pendingRow } from './stored-capsules.ts';
import type { VirtualClock } from './virtual-clock.ts';

export const TOKEN = 'ab'.repeat(32);
const crypto = createNodeCrypto();
const seed = new Uint8Array(32).fill(7);
export const IDENTITY = toHex(crypto.publicKey(seed));
export const NODE_ID = nodeIdOf(IDENTITY);
const signer = { identity: IDENTITY, sign: (message: Uint8Array) => crypto.sign(message, seed) };

/** What the API asks of a node, in memory: capsules are really checked and signed, and end when a test says so. */
export function memoryNode(clock: VirtualClock, principals: Principals = { ...noPrincipals }) {
  const views = new Map<string, CapsuleView>();
  const remembered: MeshEvent[] = [];
  const followers = new Set<(event: MeshEvent) => void>();
  const logged: string[] = [];
  const submitted: { executor?: string }[] = [];
  const grants = new Map<string, number>();
  const permission = { module: 'notify', permission: 'network:config', declared: true, granted: false };
  let ready = true;

  type Body = MeshEvent extends infer E ? (E extends MeshEvent ? Omit<E, 'sequence' | 'at'> : never) : never;
  function emit(body: Body): void {
    const event: MeshEvent = { sequence: remembered.length + 1, at: clock.now(), ...body };
    remembered.push(event);
    for (const follower of [...followers]) follower(event);
  }

  /** Ends the capsule, as an execution would. */
  function end(id: string, result: unknown): void {
    const view = views.get(id);
    if (view === undefined) throw new Error(`no capsule ${id}`);
    views.set(id, { ...view, status: 'completed', result, record: { ...view.record, status: 'completed' } });
    emit({ type: 'done', capsuleId: id, status: 'completed', error: null });
  }

  /** Ends the capsule as failed. */
  function fail(id: string, error: ErrorBody): void {
    const view = views.get(id);
    if (view === undefined) throw new Error(`no capsule ${id}`);
    const record = { ...view.record, status: 'failed', error } as const;
    views.set(id, { ...view, status: 'failed', error, record });
    emit({ type: 'done', capsuleId: id, status: 'failed', error });
  }

  const stored = (view: CapsuleView): CapsuleRow => ({ ...view.record, life: { care: 'not to be shown' } });
  const components: ApiComponents = {
    principals,
    capsules: {
      async submit(value, options = {}) {
        submitted.push(options);
        const checked = checkCapsule(crypto, value, { now: clock.now() });
        if (!checked.ok) throw new MeshError(checked.error.code, checked.error.message, checked.error.detail);
        const { capsule } = checked;
        if (!views.has(capsule.id)) {
          views.set(capsule.id, {
            id: capsule.id,
            status: 'pending',
            executor: null,
            result: null,
            error: null,
            receipt: null,
            children: [],
            waiting: null,
            only: options.executor ?? null,
            record: recordOf(capsule.id, capsule.requestedCapability, clock.now()),
            capsule,
          });
          emit({ type: 'status', capsuleId: capsule.id, status: 'pending', executor: null });
        }
        return { id: capsule.id };
      },
      view: async (id) => views.get(id),
      async cancel(id) {
        const view = views.get(id);
        if (view === undefined) throw new MeshError('not_found', 'There is no such capsule.');
        if (view.status === 'completed')
          throw new MeshError('conflict', 'The capsule has ended as completed.');
        emit({
          type: 'done',
          capsuleId: id,
          status: 'failed',
          error: { code: 'cancelled', message: 'Cancelled.' },
        });
      },
      explain: (capsuleId) => [
        {
          at: clock.now(),
          capsuleId,
          capabilityId: 'text.stats',
          ranking: [
            {
              nodeId: 'local',
              score: 0,
              price: 0,
              latencySeconds: 0,
              ring: 'local',
              proven: true,
              idempotent: true,
              reason: 'Here.',
            },
          ],
          excluded: [{ nodeId: NODE_ID, reason: 'busy' }],
          excludedBy: { busy: 1 },
          providersKnown: 1,
          weights: { price: 1, latency: 0.5, distance: 0.3 },
          leastBad: false,
        },
      ],
      follow(listener, { capsuleId } = {}) {
        const follower = (event: MeshEvent): void => {
          if (capsuleId === undefined || event.capsuleId === capsuleId) listener(event);
        };
        followers.add(follower);
        return () => void followers.delete(follower);
      },
      eventsAfter({ since, capsuleId, limit }) {
        const later = remembered
          .slice(since)
          .filter((event) => capsuleId === undefined || event.capsuleId === capsuleId);
        const events = later.slice(0, limit);
        const position = later.length > limit ? (events.at(-1)?.sequence ?? since) : remembered.length;
        return { events, position, forgotten: 0 };
      },
      get newestEvent() {
        return remembered.length;
      },
    },
    workflows: {
      of(id) {
        const view = views.get(id);
        if (view === undefined) return undefined;
        const { status, executor, error, record } = view;
        const { requestedCapability, receivedAt } = record;
        const tree = { id, requestedCapability, status, executor, error, receiptHash: null, children: [] };
        return { root: id, status, receivedAt, steps: 1, tree };
      },
      async list() {
        const items = [...views.keys()].map((id) => components.workflows.of(id));
        return { items: items.filter((each) => each !== undefined), cursor: null };
      },
    },
    archives: {
      async sealWorkflow(id, { recipients }) {
        const view = views.get(id);
        if (view === undefined) throw new MeshError('not_found', `This node knows no capsule ${id}.`);
        if (view.status !== 'completed') throw new MeshError('conflict', 'The workflow has not ended.');
        const draft = {
          program: `# ${id}\n`,
          participants: [{ actor_id: 'system:node' }],
          payload: [{ path: 'payload/result.json', content: Buffer.from(JSON.stringify(view.result)) }],
        };
        const signers = [
          { role: 'originator', publicKey: IDENTITY, sign: (message: Uint8Array) => signer.sign(message) },
        ];
        const options = { signers, sealedAt: '2026-01-01T00:00:00Z', recipients };
        const { bytes, sealed } = await sealToBytes({ crypto: nodeArchiveCrypto }, draft, options);
        return { bytes, archiveId: sealed.capsuleId };
      },
      verify: verifyApart,
    },
    store: {
      async list({ id = '', status, requestedCapability, limit = 50, cursor = '0' }) {
        const all = [...views.values()]
          .map(stored)
          .filter((record) =>
            id.startsWith('…') ? record.id.endsWith(id.slice(1)) : record.id.startsWith(id),
          )
          .filter((record) => status === undefined || record.status === status)
          .filter(
            (record) =>
              requestedCapability === undefined || record.requestedCapability === requestedCapability,
          );
        const from = Number(cursor);
        const items = all.slice(from, from + limit);
        return { items, cursor: from + limit < all.length ? String(from + limit) : null };
      },
      row(id) {
        const view = views.get(id);
        return view === undefined ? undefined : stored(view);
      },
      async *open() {
        for (const view of views.values()) if (stored(view).open) yield stored(view);
      },
    },
    signDraft: draftSigner({ signer, crypto, clock }),
    engine: {
      offers: () => [
        {
          capability: manifest.capabilities[0] ?? never(),
          module: 'notify',
          price: 1,
          estimatedLatency: 0.5,
          idempotent: true,
        },
      ],
      modules: () => [{ manifest, codeHash: '0'.repeat(64), state: 'ready', reason: null }],
      async trust(name) {
        if (name !== 'notify') throw new MeshError('not_found', `There is no module ${name}.`);
      },
      receipts: {
        list: async () => ({ items: [], cursor: null }),
        get: async () => undefined,
        at: () => undefined,
        verify: async () => ({ ok: true, receipts: 0, problems: [] }),
      },
      permissions: {
        list: () => [{ ...permission }],
        granted: () => permission.granted,
        async grant(name, what) {
          if (name !== permission.module || what !== permission.permission) {
            throw new MeshError('not_found', `${name} declares no ${what}.`);
          }
          permission.granted = true;
        },
        async revoke() {
          permission.granted = false;
        },
      },
    },
    ledger: {
      balance: (account) => grants.get(account) ?? 0,
      balances: async () =>
        [...grants].map(([account, microBalance]) => ({ account, microBalance, microDisputed: 0 })),
      history: async () => ({
        items: [
          {
            sequence: 1,
            reference: 'grant:one',
            debit: 'operator',
            credit: IDENTITY,
            microAmount: 1_500_000,
            receiptHash: null,
            at: clock.now(),
            previousHash: '0'.repeat(64),
            entryHash: '1'.repeat(64),
          },
        ],
        cursor: null,
      }),
      verify: async () => ({ ok: true, entries: 1, problems: [] }),
      async grant(account, microAmount, id) {
        if (id === 'used') return false;
        grants.set(account, (grants.get(account) ?? 0) + microAmount);
        return true;
      },
    },
    reconcile: async (nodeId) => ({
      nodeId,
      agree: true,
      entriesHere: 0,
      entriesThere: 0,
      differences: [],
      moreDifferences: 0,
    }),
    market: {
      providers: ({ capability = 'text.stats' }) => [
        {
          nodeId: NODE_ID,
          capabilityId: capability,
          price: 2,
          estimatedLatency: 1,
          ring: 'ring1',
          roundTripMs: 3,
          ageMs: 4,
          idempotent: true,
          proven: true,
        },
      ],
    },
    network: { nodeId: NODE_ID, peers: () => [] },
    node: {
      status: () => ({
        nodeId: NODE_ID,
        identity: IDENTITY,
        version: '0.0.0',
        labels: { room: '<script>alert(1)</script>' },
        startedAt: clock.now(),
        uptimeMs: 0,
        addresses: ['/ip4/127.0.0.1/tcp/1'],
        peers: 0,
        capabilities: ['<script>alert(1)</script>'],
        capsules: { pending: views.size },
        load: 0,
        memoryBytes: 1,
        dataDirectory: '/data',
        warnings: [],
      }),
      ready: () => ready,
    },
    crypto,
    clock,
    log: pino({ level: 'trace' }, { write: (line) => void logged.push(line) }),
  };
  const init: ApiInit = {
    host: '127.0.0.1',
    port: 0,
    hosts: [],
    publicUrl: null,
    quotas: { requestsPerSecond: 1000, streams: 8, capsules: 100 },
    token: TOKEN,
    identity: IDENTITY,
    creditLimit: 1000,
    version: '0.0.0',
  };
  return {
    components,
    init,
    emit,
    end,
    fail,
    views,
    logged,
    submitted,
    followers,
    /** An unsigned capsule as a caller would send it. */
    draft: (text = 'hello') => ({ requestedCapability: 'text.stats', payload: { text } }),
    setReady: (value: boolean) => {
      ready = value;
    },
  };
}

/** Of a node whose owner made no token. */
const noPrincipals: Principals = {
  create: never,
  list: () => [],
  revoke: never,
  find: () => undefined,
  claim: never,
  ownerOf: () => undefined,
};

function never(): never {
  throw new Error('unreachable');
}

const manifest = {
  id: 'notify',
  version: '1.0.0',
  description: 'Tells someone.',
  intents: ['notify'],
  permissions: ['network:config'],
  capabilities: [
    {
      id: 'notify.log',
      intent: 'notify',
      input: { type: 'object' },
      output: { type: 'object' },
      price: 1,
      estimatedLatency: 0.1,
      idempotent: true,
      streaming: false,
      maxConcurrent: 1,
    },
  ],
};

function recordOf(id: string, requestedCapability: string, at: number): Omit<CapsuleRow, 'life'> {
  const here = { originIdentity: IDENTITY, submitter: NODE_ID, coordinator: NODE_ID };
  const history = [{ at, status: 'pending' as const }];
  const { life: _, ...record } = pendingRow(id, { ...here, requestedCapability, receivedAt: at, history });
  return record;
}
