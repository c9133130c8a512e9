import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { type CapsuleOptions, createCapsule, signCapsule } from '../../src/capsule/capsule.ts';
import { loadIdentity } from '../../src/daemon/identity-file.ts';
import type { CapsuleView, MeshEvent } from '../../src/exchange/types.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createSigner } from '../../src/lib/crypto.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import type { Workflow } from '../../src/workflow/types.ts';
import { built } from './built.ts';
import { mainFile } from './cli.ts';
import { type DoubleModel, OllamaDouble } from './ollama-double.ts';
import { type DieAt, diesAt } from './run-node.ts';

export const ECHO_CAPABILITY = fileURLToPath(new URL('./echo-capability', import.meta.url));
/** The module's name in `capabilities.enabled`. */
export const ECHO = 'echo-capability';
/** Between two looks at what has no event of its own. */
const LOOK_AGAIN_MS = 25;
/** Below the ports that systems give out by themselves, so that nobody takes one while its node is down. */
const FIXED_PORTS = { first: 10_240, last: 32_767 } as const;

export interface NodeOptions {
  /** Modules to load; empty for none. */
  capabilities?: string[];
  bootstrap?: RealNode[];
  /** Multiaddrs to connect to beside `bootstrap`. */
  dial?: string[];
  /** Sections of `capsule.json`. */
  config?: Record<string, Record<string, unknown>>;
  env?: Record<string, string>;
  /** An earlier node's directory, to start it again. */
  directory?: string;
  /** For `--data` in its place, where that is not to be a directory. */
  data?: string;
  /** Fixed libp2p address, so that a restarted node is found where it was. */
  listen?: string;
  /** For `dieAt`: run by `run-node.ts` instead of `capsule start`. */
  faults?: boolean;
}

export interface NodeStatus {
  nodeId: string;
  identity: string;
  addresses: string[];
  capabilities: string[];
  capsules: Record<'pending' | 'announced' | 'executing' | 'completed' | 'failed', number>;
}

interface NodeParts {
  options: NodeOptions;
  directory: string;
  url: string;
  token: string;
  status: NodeStatus;
  process: ChildProcess;
  output: { log: string };
  exited: Promise<number | string>;
}

/** A node in a process of its own, driven over HTTP as any client would. */
export class RealNode {
  readonly options: NodeOptions;
  readonly directory: string;
  readonly url: string;
  readonly nodeId: string;
  readonly identity: string;
  readonly addresses: string[];
  readonly process: ChildProcess;
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  readonly #token: string;
  readonly #output: { log: string };

  constructor(parts: NodeParts) {
    this.options = parts.options;
    this.directory = parts.directory;
    this.url = parts.url;
    this.#token = parts.token;
    this.nodeId = parts.status.nodeId;
    this.identity = parts.status.identity;
    this.addresses = parts.status.addresses;
    this.process = parts.process;
    this.#output = parts.output;
    this.exited = parts.exited;
  }

  /** What it said on standard error so far. */
  get log(): string {
    return this.#output.log;
  }

  /** Parsed JSON of a route; throws with the body where the status is not 2xx. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  get<T>(path: string): Promise<T> {
    return this.call<T>('GET', path);
  }

  /** A signed capsule, or a draft that the node signs. */
  async submit(capsule: object, query = ''): Promise<string> {
    const { id } = await this.call<{ id: string }>('POST', `/api/capsules${query}`, capsule);
    return id;
  }

  /** Signs as this node, so that the same capsule can be submitted again after a call that was cut off. */
  async sign(options: Omit<CapsuleOptions, 'originIdentity'>): Promise<Capsule> {
    const found = await loadIdentity(this.directory, { crypto: nodeCrypto });
    if (found === undefined) throw new Error(`There is no identity in ${this.directory}`);
    const unsigned = createCapsule({ ...options, originIdentity: found.identity }, systemClock);
    return signCapsule(createSigner(nodeCrypto, found.seed), nodeCrypto, unsigned);
  }

  view(id: string): Promise<CapsuleView> {
    return this.get<CapsuleView>(`/api/capsules/${id}`);
  }

  /** Follows a capsule's events until it has ended, then gives its view. */
  async ended(id: string): Promise<CapsuleView> {
    await this.seen(id, ({ type }) => type === 'done');
    return this.view(id);
  }

  /** The first of a capsule's events, from its beginning, that `matches`. */
  async seen(id: string, matches: (event: MeshEvent) => boolean): Promise<MeshEvent> {
    for await (const event of await this.follow(`/api/capsules/${id}/events`)) {
      if (matches(event)) return event;
    }
    throw new Error(`The events of ${id} ended before what was waited for`);
  }

  /** Follows the node's events until the whole workflow has ended. */
  async workflowEnded(id: string): Promise<Workflow> {
    const events = await this.follow('/api/events');
    try {
      for (;;) {
        const workflow = await this.get<Workflow>(`/api/workflows/${id}`);
        if (workflow.status !== 'executing') return workflow;
        for (let next = await events.next(); next.value?.type !== 'done'; next = await events.next()) {
          if (next.done) throw new Error('The event stream ended before the workflow did');
        }
      }
    } finally {
      await events.return(undefined);
    }
  }

  /** Waits until a read of the node satisfies `holds`; for what has no event of its own. */
  async until<T>(path: string, holds: (value: T) => boolean): Promise<T> {
    for (;;) {
      const value = await this.get<T>(path);
      if (holds(value)) return value;
      await pause(LOOK_AGAIN_MS);
    }
  }

  /** Waits until the node knows that `provider` offers the capability, or anything. */
  async knows(provider: RealNode, capability?: string): Promise<void> {
    const path = capability === undefined ? '/api/market' : `/api/market?capability=${capability}`;
    await this.until<{ items: { nodeId: string }[] }>(path, ({ items }) =>
      items.some(({ nodeId }) => nodeId === provider.nodeId),
    );
  }

  /** Server-sent events; nothing that happens after this has resolved is missed. */
  async follow(path: string): Promise<AsyncGenerator<MeshEvent>> {
    const response = await fetch(this.url + path, {
      headers: { authorization: `Bearer ${this.#token}`, accept: 'text/event-stream' },
    });
    if (!response.ok || response.body === null)
      throw new Error(`${path}: ${response.status} ${await response.text()}`);
    // Locked before this resolves: fetch cancels a body that nobody reads once its response has been collected.
    const events = response.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream());
    return (async function* () {
      for await (const { data } of events) yield JSON.parse(data) as MeshEvent;
    })();
  }

  /** Arms the node to die by SIGKILL at a fault point; only with the option `faults`. */
  async dieAt(point: string, occurrence = 1): Promise<void> {
    const order: DieAt = { dieAt: point, occurrence };
    const armed = once(this.process, 'message');
    this.process.send(order);
    await armed;
  }

  /** Resolves when the node has died, and throws where it did so in another way than at `point`. */
  async diedAt(point: string): Promise<void> {
    const code = await this.exited;
    if (code !== 'SIGKILL' || !this.log.includes(diesAt(point)))
      throw new Error(`The node ended with ${code}, not at ${point}:\n${this.log}`);
  }

  /** As the power cord would. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }

  async stop(): Promise<number | string> {
    this.process.kill('SIGTERM');
    return this.exited;
  }
}

/** Starts nodes, and model servers for them, and cleans up after them. */
export class Cluster implements AsyncDisposable {
  readonly #children: { process: ChildProcess; exited: Promise<unknown> }[] = [];
  readonly #directories: string[] = [];
  readonly #models: OllamaDouble[] = [];

  async start(options: NodeOptions = {}): Promise<RealNode> {
    const directory = options.directory ?? (await this.directory());
    const config = join(directory, 'test-config.json');
    await writeFile(config, JSON.stringify(configOf(options)));
    const args = options.faults
      ? [built('test/support/run-node.js'), directory, config]
      : [mainFile(), 'start', '--data', options.data ?? directory, '--config', config];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe', ...(options.faults ? (['ipc'] as const) : [])],
      env: { ...process.env, ...options.env },
    });
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('The node has no output');
    const exited = once(child, 'close').then(([code, signal]: unknown[]) =>
      typeof code === 'number' ? code : String(signal),
    );
    this.#children.push({ process: child, exited });
    const output = { log: '' };
    stderr.setEncoding('utf8').on('data', (text: string) => {
      output.log += text;
    });
    const early = exited.then((code) => {
      throw new Error(`The node ended with ${code} before it was ready:\n${output.log}`);
    });
    early.catch(() => {
      // The node may end any time after it was ready.
    });
    await Promise.race([once(stdout, 'data'), early]);
    stdout.resume();
    const { url } = JSON.parse(await readFile(join(directory, 'api.json'), 'utf8')) as { url: string };
    const token = (await readFile(join(directory, 'api-token'), 'utf8')).trim();
    const response = await fetch(`${url}/api/node`, { headers: { authorization: `Bearer ${token}` } });
    const status = (await response.json()) as NodeStatus;
    return new RealNode({ options, directory, url, token, status, process: child, output, exited });
  }

  /** The same node again: same directory, same port, same options but for what `changes` says. */
  async restart(node: RealNode, changes: NodeOptions = {}): Promise<RealNode> {
    await node.exited;
    const [address = ''] = node.addresses;
    const listen = address.replace(/\/p2p\/.*$/, '');
    return this.start({ ...node.options, listen, directory: node.directory, ...changes });
  }

  /** A model server for `models.ollama`. */
  async model(installed?: DoubleModel[]): Promise<OllamaDouble> {
    const model = await OllamaDouble.start(installed);
    this.#models.push(model);
    return model;
  }

  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'capsule-mesh-'));
    this.#directories.push(directory);
    return directory;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process: child } of this.#children) child.kill('SIGKILL');
    await Promise.all(this.#children.map(({ exited }) => exited));
    await Promise.all(this.#models.map((model) => model.stop()));
    await Promise.all(this.#directories.map((each) => rm(each, { recursive: true, force: true })));
  }
}

/** Multiaddr for a node that will be restarted: a port that is still free when it comes back. */
export async function fixedAddress(): Promise<string> {
  for (;;) {
    const range = FIXED_PORTS.last - FIXED_PORTS.first + 1;
    const port = FIXED_PORTS.first + Math.floor(Math.random() * range);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return `/ip4/127.0.0.1/tcp/${port}`;
  }
}

/** The echo capability at another price, as a folder below `directory` for `capabilities.folders`. */
export async function echoFor(price: number, directory: string): Promise<string> {
  const folder = join(directory, ECHO);
  await cp(ECHO_CAPABILITY, folder, { recursive: true });
  const file = join(folder, 'manifest.json');
  const manifest = JSON.parse(await readFile(file, 'utf8')) as { capabilities: object[] };
  const capabilities = manifest.capabilities.map((each) => ({ ...each, price }));
  await writeFile(file, JSON.stringify({ ...manifest, capabilities }));
  return folder;
}

function configOf(options: NodeOptions): Record<string, unknown> {
  const { api, capabilities, credits, permissions, network, ...rest } = options.config ?? {};
  return {
    log: { level: 'warn' },
    ...rest,
    api: { host: '127.0.0.1', port: 0, ...api },
    // Nobody knows the others' identities before they run.
    credits: { strangerLimit: 1000, ...credits },
    network: {
      listen: [options.listen ?? '/ip4/127.0.0.1/tcp/0'],
      bootstrap: [
        ...(options.bootstrap ?? []).flatMap(({ addresses }) => addresses.slice(0, 1)),
        ...(options.dial ?? []),
      ],
      mdns: false,
      ...network,
    },
    capabilities: { enabled: options.capabilities ?? [], folders: [ECHO_CAPABILITY], ...capabilities },
    permissions: { granted: { 'test-echo': ['storage', 'progress', 'log', 'identity'] }, ...permissions },
  };
}
