import { type Command, InvalidArgumentError, Option } from 'commander';
import type { LogLevel } from '../../telemetry/log.ts';
import { type Cli, withExample, withJson } from '../cli.ts';
import { several } from '../options.ts';
import type { StartOptions } from '../start-options.ts';
import { keepYoungGenerationSmall } from '../young-generation.ts';

const LOG_LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

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
  ).action(async (options: StartOptions) => {
    // No other command needs the node's parts.
    const onReady = keepYoungGenerationSmall();
    const { runNode } = await import('../run-node.ts');
    await runNode(cli, options, onReady);
  });
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
