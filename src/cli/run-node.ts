import process from 'node:process';
import { loadConfig } from '../daemon/config.ts';
import type { PartialConfig } from '../daemon/config-schema.ts';
import { loadOrCreateIdentity } from '../daemon/identity-file.ts';
import { createNode, type NodeInfo } from '../daemon/node.ts';
import { packageVersion } from '../daemon/version.ts';
import { systemClock } from '../lib/clock.ts';
import type { MeshError } from '../lib/errors.ts';
import { containConsole } from '../telemetry/contain-console.ts';
import { containFaults } from '../telemetry/contain-faults.ts';
import { containWarnings } from '../telemetry/contain-warnings.ts';
import { createLogger } from '../telemetry/log.ts';
import type { Cli } from './cli.ts';
import { EXIT } from './failure.ts';
import { facts } from './format.ts';
import { keyOptions } from './keys.ts';
import type { StartOptions } from './start-options.ts';

/** Longest that a clean stop may take (interfaces "Node"). */
const STOP_MS = 10_000;
/** A terminal and npm both pass Ctrl-C on, so one press may arrive twice; only a later one is a second press. */
const SAME_PRESS_MS = 500;

/** Runs a node until somebody asks it to stop, or its disk fails. */
export async function runNode(cli: Cli, options: StartOptions, onReady: () => void): Promise<void> {
  const stopping = stopRequest(cli);
  const contained: (() => void)[] = [];
  try {
    const { config } = await loadConfig({
      flags: flagsOf(options),
      env: cli.io.env,
      ...(options.config !== undefined && { file: options.config }),
      ...(options.data !== undefined && { dataDirectory: options.data }),
    });
    const identity = await loadOrCreateIdentity(config.data.directory, keyOptions(cli));
    const log = createLogger({ level: config.log.level, pretty: cli.io.stderr.isTTY === true });
    contained.push(containConsole(console, log), containWarnings(process, log));
    const node = await createNode({ config, identity, log, onFatal: stopping.fail });
    await node.start();
    contained.push(containFaults(process, { log, clock: systemClock }));
    onReady();
    const info = node.info();
    cli.answer(options, info, () => showInfo(info));
    const fault = await stopping.requested;
    await withinStopTime(cli, node.stop()).catch((error: unknown) => {
      // What a disk that failed keeps from stopping cleanly says less than why it failed.
      throw fault ?? error;
    });
    if (fault !== undefined) throw fault;
    // All of ours is closed; libp2p leaves timers behind that would hold the process for another second.
    cli.io.exitNow(EXIT.ok);
  } finally {
    for (const remove of contained) remove();
    stopping.remove();
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

function showInfo(info: NodeInfo): string {
  return facts([
    ['capsule', packageVersion()],
    ['node', info.nodeId],
    ['identity', info.identity],
    ['addresses', info.addresses.join('\n') || 'none'],
    ['capabilities', info.capabilities.join(', ') || 'none'],
    ...info.unavailable.map(({ module, reason }) => ['not offered', `${module}: ${reason}`] as const),
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
