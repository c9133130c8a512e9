import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultConfig } from '../../src/daemon/config.ts';
import { loadOrCreateIdentity } from '../../src/daemon/identity-file.ts';
import { createNode, type MeshNode } from '../../src/daemon/node.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { createLogger } from '../../src/telemetry/log.ts';

const ECHO_CAPABILITY = fileURLToPath(new URL('../support/echo-capability', import.meta.url));

export interface BenchNode {
  node: MeshNode;
  seed: Uint8Array;
  stop(): Promise<void>;
}

/** A complete node as `capsule start` composes it, on free ports and a directory of its own. */
export async function startBenchNode(options: {
  echo: boolean;
  /** Whether it runs modules in WebAssembly that orders bring along. */
  wasm?: boolean;
  bootstrap?: string[];
  directory?: string;
}): Promise<BenchNode> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'capsule-bench-')));
  const config = defaultConfig();
  config.data.directory = directory;
  config.network.listen = ['/ip4/127.0.0.1/tcp/0'];
  config.network.bootstrap = options.bootstrap ?? [];
  config.network.mdns = false;
  config.api.port = 0;
  config.capabilities.enabled = [
    ...(options.echo ? ['echo-capability'] : []),
    ...(options.wasm === true ? ['wasm'] : []),
  ];
  config.capabilities.settings = { wasm: { allow: options.wasm === true && 'all' } };
  config.capabilities.folders = [ECHO_CAPABILITY];
  config.permissions.granted = { 'test-echo': ['progress'] };
  config.engine.concurrency = 64;
  // The other node is a stranger, and has a sixteenth of the queue: 256 in flight.
  config.engine.queue = 4_096;
  const identity = await loadOrCreateIdentity(directory, { crypto: nodeCrypto });
  const node = await createNode({ config, identity, log: createLogger({ level: 'warn', pretty: false }) });
  await node.start();
  return {
    node,
    seed: identity.seed,
    async stop() {
      await node.stop();
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
    },
  };
}
