import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MeshClient } from '../../src/client/client.ts';
import type { NodeInfo } from '../../src/daemon/node.ts';
import { readToken } from '../../src/daemon/token-file.ts';

/** The command as a user has it, built by the set-up that runs before every npm task. */
export const COMMAND = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

export interface DemoNode {
  name: string;
  directory: string;
  info: NodeInfo;
  client: MeshClient;
  stop(): Promise<void>;
}

/** Starts `capsule start` in a process of its own on free ports; resolves when it takes work. */
export async function startNode(options: {
  name: string;
  /** Where the data directories stand. */
  home: string;
  capabilities: string[];
  /** What it asks for them, in credits. */
  prices: Record<string, number>;
  bootstrap: DemoNode[];
}): Promise<DemoNode> {
  const { name, home, capabilities, prices, bootstrap } = options;
  const directory = join(home, name);
  const addresses = bootstrap.flatMap((node) => node.info.addresses.slice(0, 1));
  const args = [
    ...['start', '--json', '--no-mdns', '--log-level', 'warn', '--data', directory],
    ...['--api', '127.0.0.1:0', '--listen', '/ip4/127.0.0.1/tcp/0', '--label', `name=${name}`],
    ...addresses.flatMap((address) => ['--bootstrap', address]),
  ];
  const child = spawn(process.execPath, [COMMAND, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      CAPSULE_CAPABILITIES_ENABLED: JSON.stringify(capabilities),
      CAPSULE_CAPABILITIES_PRICES: JSON.stringify(prices),
      // They know nothing of each other yet, and the chain costs more than a stranger may owe.
      CAPSULE_CREDITS_STRANGER_LIMIT: '100',
    },
  });
  const exited = once(child, 'exit');
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const info = await readyInfo(child);
  if (info === undefined) throw new Error(`The node "${name}" ended before it was ready:\n${log}`);
  const client = new MeshClient({ url: info.apiUrl, token: await readToken(directory) });
  return {
    name,
    directory,
    info,
    client,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

async function readyInfo(child: ChildProcess): Promise<NodeInfo | undefined> {
  let printed = '';
  for await (const chunk of child.stdout ?? []) {
    printed += chunk;
    try {
      return JSON.parse(printed);
    } catch {
      // The document has not arrived as a whole yet.
    }
  }
  return undefined;
}

/** Runs a command against a node as a person would, showing the line that was typed and what it printed. */
export async function shown(node: DemoNode, ...args: string[]): Promise<void> {
  await typed(node.name, args, ['--data', node.directory]);
}

/** The same for a command that needs no node. */
export async function shownAnywhere(...args: string[]): Promise<void> {
  await typed('anywhere', args, []);
}

async function typed(where: string, args: string[], unseen: string[]): Promise<void> {
  process.stdout.write(`\n${where}$ capsule ${args.map(quoted).join(' ')}\n`);
  const child = spawn(process.execPath, [COMMAND, ...args, ...unseen], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`capsule ${args[0]} ended with exit code ${String(code)}`);
}

function quoted(arg: string): string {
  return /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg}'`;
}
