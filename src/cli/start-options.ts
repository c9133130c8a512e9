import { InvalidArgumentError } from 'commander';
import type { LogLevel } from '../telemetry/log.ts';
import { choice, negation, option, several, type Values } from './option.ts';
import { DATA } from './options.ts';

const LOG_LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** What `capsule start` may be told; stronger than environment and file. */
export const START = {
  config: option('<file>', 'configuration file (default: capsule.json in the data directory)'),
  data: DATA.data,
  listen: several('<multiaddr>', 'listen here for peers; may be repeated'),
  bootstrap: several('<multiaddr>', 'connect to this node at start; may be repeated'),
  api: option('<host:port>', 'address of the HTTP API', hostAndPort),
  capability: several('<name>', 'load only this module; may be repeated'),
  label: option('<key=value>', 'a fact about this node; may be repeated', label),
  mdns: negation('do not look for nodes on the local network'),
  logLevel: choice('<level>', 'least severe level to log', LOG_LEVELS),
  json: DATA.json,
};
export type StartOptions = Values<typeof START>;

function hostAndPort(text: string): { host: string; port: number } {
  const [, ipv6, name, digits = ''] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = ipv6 ?? name;
  const port = Number(digits);
  if (host === undefined || port > 65_535)
    throw new InvalidArgumentError('It must be HOST:PORT, such as 127.0.0.1:4480 or [::1]:0.');
  return { host, port };
}

function label(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('It must be KEY=VALUE.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
