import type { MeshClient } from '../../client/client.ts';
import type { Answer } from '../../client/routes.ts';
import { listing, query } from '../command.ts';
import { described, showCapability } from '../describe-capability.ts';
import { duration, facts, type Layout, statusText, table, time } from '../format.ts';
import { arg, option } from '../option.ts';
import { suggesting } from '../suggest.ts';

type Capabilities = Answer<'GET /api/capabilities'>;

const status = query({
  name: 'status',
  about: 'this node: addresses, peers, capabilities, work',
  examples: ['capsule status'],
  ask: (client) => client.request('GET /api/node'),
  show: showStatus,
});

const peers = listing({
  name: 'peers',
  about: 'the nodes it is connected to, with ring and round trip',
  examples: ['capsule peers'],
  route: 'GET /api/peers',
  columns: {
    NODE: (peer) => peer.nodeId,
    RING: (peer) => peer.ring,
    'ROUND TRIP': (peer) => (peer.roundTripMs === null ? '-' : duration(peer.roundTripMs)),
    DIRECTION: (peer) => peer.direction,
    ADDRESS: (peer) => peer.addresses[0] ?? '-',
  },
  empty:
    'No peers. Others on the local network are found by themselves; else: capsule start --bootstrap MULTIADDR',
});

const market = listing({
  name: 'market',
  about: 'every provider with price, latency, ring and age',
  options: { capability: option('<capability>', 'only this one') },
  examples: ['capsule market --capability text.analyze'],
  route: 'GET /api/market',
  filter: ({ capability }) => ({ capability }),
  columns: {
    CAPABILITY: (provider) => provider.capabilityId,
    NODE: (provider) => provider.nodeId,
    PRICE: (provider) => String(provider.price),
    LATENCY: (provider) => duration(provider.estimatedLatency * 1000),
    RING: (provider) => provider.ring,
    'ROUND TRIP': (provider) => duration(provider.roundTripMs),
    AGE: (provider) => duration(provider.ageMs),
  },
  empty: 'Nobody offers anything yet.',
});

const trust = query({
  name: 'trust',
  about: 'accept the changed code of a module in safe mode',
  args: [arg('<module>', 'its name')],
  examples: ['capsule capabilities trust text'],
  ask: (client, _, name) =>
    suggesting(client.request('POST /api/capabilities/:name/trust', { params: { name } }), [
      [name, () => moduleNames(client)],
    ]),
  show: ({ manifest, state }) => `${manifest.id}: ${state}`,
});

const capabilities = query(
  {
    name: 'capabilities',
    about: 'what this node offers itself; of one, what it takes and gives',
    args: [arg('[capability]', 'only this one, or those of a module')],
    examples: ['capsule capabilities', 'capsule capabilities text.summarize'],
    async ask(client, _, name) {
      const all = await client.request('GET /api/capabilities');
      if (name === undefined) return all;
      return described(client, all, name);
    },
    show: (found, layout) =>
      'modules' in found ? showCapabilities(found, layout) : found.map(showCapability).join('\n\n'),
  },
  [trust],
);

export const node = [status, peers, market, capabilities];

async function moduleNames(client: MeshClient): Promise<string[]> {
  const { modules } = await client.request('GET /api/capabilities');
  return modules.map(({ manifest }) => manifest.id);
}

function showStatus(shown: Answer<'GET /api/node'>): string {
  const capsules = Object.entries(shown.capsules).map(
    ([name, count]) => `${String(count)} ${statusText(name)}`,
  );
  const labels = Object.entries(shown.labels).map(([key, value]) => `${key}=${value}`);
  return facts([
    ['node', shown.nodeId],
    ['identity', shown.identity],
    ['version', shown.version],
    ['up', `${duration(shown.uptimeMs)}, since ${time(shown.startedAt)} UTC`],
    ['addresses', shown.addresses.join('\n') || 'none'],
    ['peers', String(shown.peers)],
    ['capabilities', shown.capabilities.join(', ') || 'none'],
    ['capsules', capsules.join(', ') || 'none'],
    ['load', `${String(Math.round(shown.load * 100))} %`],
    ['memory', `${(shown.memoryBytes / 1_048_576).toFixed(0)} MiB`],
    ['data', shown.dataDirectory],
    ...(labels.length > 0 ? [['labels', labels.join(', ')] as const] : []),
    ...(shown.warnings.length > 0 ? [['warnings', shown.warnings.join('\n')] as const] : []),
  ]);
}

function showCapabilities({ modules, offers }: Capabilities, layout: Layout): string {
  const rows = modules.flatMap((module) =>
    module.manifest.capabilities.map((capability) => ({
      module,
      capability,
      offer: offers.find((each) => each.capability.id === capability.id),
    })),
  );
  type Row = (typeof rows)[number];
  const columns = {
    CAPABILITY: ({ capability }: Row) => capability.id,
    MODULE: ({ module }: Row) => module.manifest.id,
    PRICE: ({ capability, offer }: Row) => String(offer?.price ?? capability.price),
    LATENCY: ({ offer }: Row) => (offer ? duration(offer.estimatedLatency * 1000) : '-'),
    STATE: ({ module, offer }: Row) =>
      offer ? 'offered' : (module.reason ?? (module.state === 'ready' ? 'not offered' : module.state)),
  };
  return table(rows, columns, 'No capabilities are installed here.', layout);
}
