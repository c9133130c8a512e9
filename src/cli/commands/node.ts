import type { Command } from 'commander';
import type { Static } from 'typebox';
import type { Capabilities, Module, NodeStatus, Peer, Provider } from '../../api/schemas/node.ts';
import type { Page } from '../../store/types.ts';
import type { ApiClient } from '../api-client.ts';
import { type Cli, withExample } from '../cli.ts';
import { bytes, duration, facts, type Layout, statusText, table, time } from '../format.ts';
import { furtherPages, type PageOptions, withPages } from '../options.ts';
import { suggesting } from '../suggest.ts';
import { findNode, type NodeOptions, withNode } from '../target.ts';

/** A command that asks one thing and prints the answer. */
function addQuery<T>(
  cli: Cli,
  command: Command,
  example: string,
  ask: (client: ApiClient, options: NodeOptions) => Promise<T>,
  show: (answer: T, layout: Layout) => string,
): void {
  withExample(withNode(command), example).action(async (options: NodeOptions) => {
    const answer = await ask(await findNode(cli.io, options), options);
    cli.answer(options, answer, (layout) => show(answer, layout));
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
    withPages(program.command('peers').description('the nodes it is connected to, with ring and round trip')),
    'capsule peers',
    (client, { limit, cursor }: NodeOptions & PageOptions) =>
      client.request<Page<Static<typeof Peer>>>('/api/peers', { query: { limit, cursor } }),
    ({ items, cursor }, layout) =>
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
        layout,
      ) + furtherPages({ cursor }),
  );
  const market = program
    .command('market')
    .description('every provider with price, latency, ring and age')
    .option('--capability <capability>', 'only this one');
  addQuery(
    cli,
    withPages(market),
    'capsule market --capability text.analyze',
    (client, { capability, limit, cursor }: NodeOptions & PageOptions & { capability?: string }) =>
      client.request<Page<Static<typeof Provider>>>('/api/market', { query: { capability, limit, cursor } }),
    ({ items, cursor }, layout) =>
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
        layout,
      ) + furtherPages({ cursor }),
  );
  addCapabilities(program, cli);
}

function addCapabilities(program: Command, cli: Cli): void {
  const capabilities = program
    .command('capabilities')
    .description('what this node offers itself; of one, what it takes and gives')
    .argument('[capability]', 'only this one, or those of a module');
  withExample(withNode(capabilities), 'capsule capabilities', 'capsule capabilities text.summarize').action(
    async (name: string | undefined, options: NodeOptions) => {
      const client = await findNode(cli.io, options);
      const all = await client.request<Static<typeof Capabilities>>('/api/capabilities');
      if (name === undefined) return cli.answer(options, all, (layout) => showCapabilities(all, layout));
      const { described, showCapability } = await import('../describe-capability.ts');
      const found = await described(client, all, name);
      cli.answer(options, found, () => found.map(showCapability).join('\n\n'));
    },
  );
  const trust = capabilities
    .command('trust')
    .description('accept the changed code of a module in safe mode')
    .argument('<module>', 'its name');
  withExample(withNode(trust), 'capsule capabilities trust text').action(
    async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<NodeOptions>();
      const client = await findNode(cli.io, options);
      const module = await suggesting(
        client.request<Static<typeof Module>>(`/api/capabilities/${encodeURIComponent(name)}/trust`, {
          method: 'POST',
        }),
        [[name, () => moduleNames(client)]],
      );
      cli.answer(options, module, () => `${module.manifest.id}: ${module.state}`);
    },
  );
}

async function moduleNames(client: ApiClient): Promise<string[]> {
  const { modules } = await client.request<Static<typeof Capabilities>>('/api/capabilities');
  return modules.map(({ manifest }) => manifest.id);
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
    ...(node.warnings.length > 0 ? [['warnings', node.warnings.join('\n')] as const] : []),
  ]);
}

function showCapabilities({ modules, offers }: Static<typeof Capabilities>, layout: Layout): string {
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
    layout,
  );
}
