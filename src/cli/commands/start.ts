import { type Command, InvalidArgumentError, Option } from 'commander';
import { loadConfig } from '../../daemon/config.ts';
import type { PartialConfig } from '../../daemon/config-schema.ts';
import { loadOrCreateIdentity } from '../../daemon/identity-file.ts';
import type { NodeInfo } from '../../daemon/node.ts';
import { packageVersion } from '../../daemon/version.ts';
import { nodeCrypto } from '../../lib/crypto-node.ts';
import type { MeshError } from '../../lib/errors.ts';
import { createLogger, type LogLevel } from '../../telemetry/log.ts';
import { type Cli, withExample, withJson } from '../cli.ts';
import { EXIT } from '../failure.ts';
import { facts } from '../format.ts';
import { passphraseOf } from '../keys.ts';
import { several } from '../options.ts';

/** Longest that a clean stop may take (interfaces "Node"). */
const STOP_MS = 10_000;
/** A terminal and npm both pass Ctrl-C on, so one press may arrive twice; only a later one is a second press. */
const SAME_PRESS_MS = 500;
const LOG_LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

interface StartOptions {
  json?: boolean;
  config?: string;
  data?: string;
  listen?: string[];
  bootstrap?: string[];
  api?: { host: string; port: number };
  capability?: string[];
  label?: Record<string, string>;
  mdns: boolean;
  logLevel?: LogLevel;
}

export function addStart(program: Command, cli: Cli): void {
  const start = program
    .command('start')
    .description('run a node in the foreground')
    .option('--config <file>', 'configuration file (default: capsule.json in the data directory)')
    .option('--data <dir>', 'data directory (default: CAPSULE_DATA, else ~/.capsule)')
    .option('--listen <multiaddr>', 'listen here for peers; may be repeated', several)
    .option('--bootstrap <multiaddr>', 'connect to this node at start; may be repeated', several)
    .option('--api <host:port>', 'address of the HTTP API', hostAndPort)
    .option('--capability <name>', 'load only this module; may be repeated', several)
    .option('--label <key=value>', 'a fact about this node; may be repeated', label)
    .option('--no-mdns', 'do not look for nodes on the local network')
    .addOption(new Option('--log-level <level>', 'least severe level to log').choices(LOG_LEVELS));
  withExample(
    withJson(start),
    'capsule start',
    'capsule start --data ./node2 --api 127.0.0.1:0 --listen /ip4/0.0.0.0/tcp/0 --capability text',
  ).action((options: StartOptions) => runNode(cli, options));
}

async function runNode(cli: Cli, options: StartOptions): Promise<void> {
  const stopping = stopRequest(cli);
  try {
    const { config } = await loadConfig({
      flags: flagsOf(options),
      env: cli.io.env,
      ...(options.config !== undefined && { file: options.config }),
      ...(options.data !== undefined && { dataDirectory: options.data }),
    });
    const identity = await loadOrCreateIdentity(config.data.directory, {
      crypto: nodeCrypto,
      ...passphraseOf(cli.io),
    });
    const log = createLogger({ level: config.log.level, pretty: cli.io.stderr.isTTY === true });
    // Loaded here, since no other command needs the node's parts.
    const { createNode } = await import('../../daemon/node.ts');
    const node = await createNode({ config, identity, log, onFatal: stopping.fail });
    await node.start();
    const info = node.info();
    cli.answer(options, info, () => showInfo(info));
    const fault = await stopping.requested;
    await withinStopTime(cli, node.stop());
    if (fault !== undefined) throw fault;
  } finally {
    stopping.remove();
  }
}

function showInfo(info: NodeInfo): string {
  return facts([
    ['capsule', packageVersion()],
    ['node', info.nodeId],
    ['identity', info.identity],
    ['addresses', info.addresses.join('\n              ') || 'none'],
    ['capabilities', info.capabilities.join(', ') || 'none'],
    ['API', info.apiUrl],
    ['console', info.consoleUrl],
    ['stop', 'Ctrl-C'],
  ]);
}

interface StopRequest {
  /** Resolves when the node is to stop, with what went wrong where that is why. */
  requested: Promise<MeshError | undefined>;
  fail: (error: MeshError) => void;
  remove: () => void;
}

/** The first SIGINT or SIGTERM, at any time, asks for a stop; a second one ends the process at once. */
function stopRequest(cli: Cli): StopRequest {
  const { promise, resolve } = Promise.withResolvers<MeshError | undefined>();
  let first: number | undefined;
  const remove = cli.io.onSignal(() => {
    const now = performance.now();
    if (first === undefined) {
      first = now;
      cli.note('Stopping; once more ends it at once.');
      resolve(undefined);
    } else if (now - first > SAME_PRESS_MS) cli.io.exitNow(EXIT.interrupted);
  });
  return { requested: promise, fail: resolve, remove };
}

async function withinStopTime(cli: Cli, stopped: Promise<void>): Promise<void> {
  const timer = setTimeout(() => {
    cli.note(`capsule: The node did not stop within ${String(STOP_MS / 1000)} s and was ended. (timeout)`);
    cli.io.exitNow(EXIT.failed);
  }, STOP_MS);
  try {
    await stopped;
  } finally {
    clearTimeout(timer);
  }
}

function flagsOf(options: StartOptions): PartialConfig {
  const { listen, bootstrap, mdns } = options;
  return {
    network: { listen, bootstrap, ...(mdns ? {} : { mdns: false }) },
    api: { ...options.api },
    capabilities: { enabled: options.capability },
    node: { labels: options.label },
    log: { level: options.logLevel },
  };
}

function hostAndPort(text: string): { host: string; port: number } {
  const [, ipv6, name, digits = ''] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = ipv6 ?? name;
  const port = Number(digits);
  if (host === undefined || port > 65_535) {
    throw new InvalidArgumentError('It must be HOST:PORT, such as 127.0.0.1:4480 or [::1]:0.');
  }
  return { host, port };
}

function label(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('It must be KEY=VALUE.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
