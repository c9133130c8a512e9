import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CapsuleView, MeshEvent, Workflow } from '../../src/exchange/types.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
export const ECHO_CAPABILITY = fileURLToPath(new URL('./echo-capability', import.meta.url));

export interface NodeOptions {
  /** Modules to load; empty for none. */
  capabilities?: string[];
  bootstrap?: RealNode[];
  /** Sections of `capsule.json`. */
  config?: Record<string, unknown>;
  env?: Record<string, string>;
  /** An earlier node's directory, to start it again. */
  directory?: string;
  /** Fixed libp2p address, so that a restarted node is found where it was. */
  listen?: string;
}

interface NodeStatus {
  nodeId: string;
  identity: string;
  addresses: string[];
}

/** A node in a process of its own, driven over HTTP as any client would. */
export class RealNode {
  readonly directory: string;
  readonly url: string;
  readonly nodeId: string;
  readonly identity: string;
  readonly addresses: string[];
  readonly process: ChildProcess;
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  readonly #token: string;

  constructor(parts: {
    directory: string;
    url: string;
    token: string;
    status: NodeStatus;
    process: ChildProcess;
    exited: Promise<number | string>;
  }) {
    this.directory = parts.directory;
    this.url = parts.url;
    this.#token = parts.token;
    this.nodeId = parts.status.nodeId;
    this.identity = parts.status.identity;
    this.addresses = parts.status.addresses;
    this.process = parts.process;
    this.exited = parts.exited;
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

  async submit(capsule: Record<string, unknown>, query = ''): Promise<string> {
    const { id } = await this.call<{ id: string }>('POST', `/api/capsules${query}`, capsule);
    return id;
  }

  view(id: string): Promise<CapsuleView> {
    return this.get<CapsuleView>(`/api/capsules/${id}`);
  }

  /** Follows a capsule's events until it has ended, then gives its view. */
  async ended(id: string): Promise<CapsuleView> {
    for await (const event of this.events(`/api/capsules/${id}/events`)) {
      if (event.type === 'done') break;
    }
    return this.view(id);
  }

  /** Follows the node's events until the whole workflow has ended. */
  async workflowEnded(id: string): Promise<Workflow> {
    const controller = new AbortController();
    const events = this.events('/api/events?since=0', controller.signal);
    try {
      for (;;) {
        const workflow = await this.get<Workflow>(`/api/workflows/${id}`);
        if (workflow.status !== 'executing') return workflow;
        if ((await events.next()).done) throw new Error('The event stream ended before the workflow did');
      }
    } finally {
      controller.abort();
    }
  }

  /** Waits until a read of the node satisfies `holds`, looking again after each of the node's events. */
  async until<T>(path: string, holds: (value: T) => boolean): Promise<T> {
    for (;;) {
      const value = await this.get<T>(path);
      if (holds(value)) return value;
      // What is waited for may come from the network, which has no event of its own.
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  async *events(path: string, signal?: AbortSignal): AsyncGenerator<MeshEvent> {
    const response = await fetch(this.url + path, {
      headers: { authorization: `Bearer ${this.#token}`, accept: 'text/event-stream' },
      ...(signal && { signal }),
    });
    if (!response.ok || response.body === null)
      throw new Error(`${path}: ${response.status} ${await response.text()}`);
    let buffered = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      buffered += chunk;
      const blocks = buffered.split('\n\n');
      buffered = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = block.split('\n').find((line) => line.startsWith('data:'));
        if (data !== undefined) yield JSON.parse(data.slice(5)) as MeshEvent;
      }
    }
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

/** Starts nodes and cleans up after them. */
export class Cluster implements AsyncDisposable {
  readonly #nodes: RealNode[] = [];
  readonly #directories: string[] = [];

  async start(options: NodeOptions = {}): Promise<RealNode> {
    const directory = options.directory ?? (await this.directory());
    const config = join(directory, 'test-config.json');
    const { writeFile } = await import('node:fs/promises');
    await writeFile(config, JSON.stringify(configOf(options)));
    const child = spawn(process.execPath, [MAIN, 'start', '--data', directory, '--config', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    const exited = once(child, 'exit').then(([code, signal]: unknown[]) =>
      typeof code === 'number' ? code : String(signal),
    );
    let log = '';
    child.stderr.on('data', (chunk) => {
      log += chunk;
    });
    const ready = once(child.stdout, 'data');
    const early = exited.then((code) => {
      throw new Error(`The node ended with ${code} before it was ready:\n${log}`);
    });
    await Promise.race([ready, early]);
    early.catch(() => {
      // The node may end any time after it was ready.
    });
    const { url } = JSON.parse(await readFile(join(directory, 'api.json'), 'utf8')) as { url: string };
    const token = (await readFile(join(directory, 'api-token'), 'utf8')).trim();
    const response = await fetch(`${url}/api/node`, { headers: { authorization: `Bearer ${token}` } });
    const status = (await response.json()) as NodeStatus;
    const node = new RealNode({ directory, url, token, status, process: child, exited });
    this.#nodes.push(node);
    return node;
  }

  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'capsule-mesh-'));
    this.#directories.push(directory);
    return directory;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) node.process.kill('SIGKILL');
    await Promise.all(this.#nodes.map((node) => node.exited));
    await Promise.all(this.#directories.map((each) => rm(each, { recursive: true, force: true })));
  }
}

function configOf(options: NodeOptions): Record<string, unknown> {
  return {
    network: {
      listen: [options.listen ?? '/ip4/127.0.0.1/tcp/0'],
      bootstrap: (options.bootstrap ?? []).flatMap((node) => node.addresses.slice(0, 1)),
      mdns: false,
    },
    api: { host: '127.0.0.1', port: 0 },
    log: { level: 'warn' },
    ...options.config,
    capabilities: {
      enabled: options.capabilities ?? [],
      folders: [ECHO_CAPABILITY],
      ...(options.config?.capabilities as Record<string, unknown> | undefined),
    },
  };
}
