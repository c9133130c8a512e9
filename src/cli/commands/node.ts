import type { Command } from 'commander';
import type { Static } from 'typebox';
import type { Capabilities, Module, NodeStatus, Peer, Provider } from '../../api/schemas/node.ts';
import type { Page } from '../../store/types.ts';
import type { ApiClient } from '../api-client.ts';
import { type Cli, withExample } from '../cli.ts';
import { bytes, duration, facts, statusText, table, time } from '../format.ts';
import { type PageOptions, pageQuery, withNext, withPage } from '../options.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';

/** A command that asks one thing and prints the answer. */
function addQuery<T>(
  cli: Cli,
  command: Command,
  example: string,
  ask: (client: ApiClient, options: NodeOptions) => Promise<T>,
  show: (answer: T) => string,
): void {
  withExample(withNode(command), example).action(async (options: NodeOptions) => {
    const answer = await ask(await findNode(cli.io, options), options);
    cli.answer(options, answer, () => show(answer));
  });
}

export function addNode(program: Command, cli: Cli): void {
  addQuery(
    cli,
    program.command('status').description('this node: addresses, peers, capabilities, work'),
    'capsule status',
    (client) => client.request<NodeStatus>('/api/node'),
    showStatus,
  );
  addQuery(
    cli,
    withPage(program.command('peers').description('the nodes it is connected to, with ring and round trip')),
    'capsule peers',
    (client, options: NodeOptions & PageOptions) =>
      client.request<Page<Static<typeof Peer>>>('/api/peers', { query: pageQuery(options) }),
    ({ items, cursor }) =>
      withNext(
        table(
          ['NODE', 'RING', 'ROUND TRIP', 'DIRECTION', 'ADDRESS'],
          items.map((peer) => [
            peer.nodeId,
            peer.ring,
            peer.roundTripMs === null ? '-' : duration(peer.roundTripMs),
            peer.direction,
            peer.addresses[0] ?? '-',
          ]),
          'No peers. Others on the local network are found by themselves; else: capsule start --bootstrap MULTIADDR',
        ),
        cursor,
      ),
  );
  const market = program
    .command('market')
    .description('every provider with price, latency, ring and age')
    .option('--capability <id>', 'only this capability');
  addQuery(
    cli,
    withPage(market),
    'capsule market --capability text.analyze',
    (client, options: NodeOptions & PageOptions & { capability?: string }) =>
      client.request<Page<Static<typeof Provider>>>('/api/market', {
        query: { capability: options.capability, ...pageQuery(options) },
      }),
    ({ items, cursor }) =>
      withNext(
        table(
          ['CAPABILITY', 'NODE', 'PRICE', 'LATENCY', 'RING', 'ROUND TRIP', 'AGE'],
          items.map((provider) => [
            provider.capabilityId,
            provider.nodeId,
            String(provider.price),
            duration(provider.estimatedLatency * 1000),
            provider.ring,
            duration(provider.roundTripMs),
            duration(provider.ageMs),
          ]),
          'Nobody offers anything yet.',
        ),
        cursor,
      ),
  );
  addCapabilities(program, cli);
}

function addCapabilities(program: Command, cli: Cli): void {
  const capabilities = program.command('capabilities').description('what this node offers itself');
  addQuery(
    cli,
    capabilities,
    'capsule capabilities',
    (client) => client.request<Static<typeof Capabilities>>('/api/capabilities'),
    showCapabilities,
  );
  const trust = capabilities
    .command('trust')
    .description('accept the changed code of a module in safe mode')
    .argument('<name>', 'the module');
  withExample(withNode(trust), 'capsule capabilities trust text').action(
    async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<NodeOptions>();
      const client = await findNode(cli.io, options);
      const module = await client.request<Static<typeof Module>>(
        `/api/capabilities/${encodeURIComponent(name)}/trust`,
        { method: 'POST' },
      );
      cli.answer(options, module, () => `${module.manifest.id}: ${module.state}`);
    },
  );
}

function showStatus(node: NodeStatus): string {
  const capsules = Object.entries(node.capsules).map(
    ([status, count]) => `${String(count)} ${statusText(status)}`,
  );
  const labels = Object.entries(node.labels).map(([key, value]) => `${key}=${value}`);
  return facts([
    ['node', node.nodeId],
    ['identity', node.identity],
    ['version', node.version],
    ['up', `${duration(node.uptimeMs)}, since ${time(node.startedAt)} UTC`],
    ['addresses', node.addresses.join('\n') || 'none'],
    ['peers', String(node.peers)],
    ['capabilities', node.capabilities.join(', ') || 'none'],
    ['capsules', capsules.join(', ') || 'none'],
    ['load', `${String(Math.round(node.load * 100))} %`],
    ['memory', bytes(node.memoryBytes)],
    ['data', node.dataDirectory],
    ...(labels.length > 0 ? [['labels', labels.join(', ')] as const] : []),
  ]);
}

function showCapabilities({ modules, offers }: Static<typeof Capabilities>): string {
  const rows = modules.flatMap((module) =>
    module.manifest.capabilities.map(({ id, price }) => {
      const offer = offers.find((each) => each.capability.id === id);
      return [
        id,
        module.manifest.id,
        String(offer?.price ?? price),
        offer ? duration(offer.estimatedLatency * 1000) : '-',
        offer ? 'offered' : (module.reason ?? (module.state === 'ready' ? 'not offered' : module.state)),
      ];
    }),
  );
  return table(
    ['CAPABILITY', 'MODULE', 'PRICE', 'LATENCY', 'STATE'],
    rows,
    'No capabilities are installed here.',
  );
}
