import type { Command } from 'commander';
import * as home from '../lib/home.ts';
import { ApiClient } from './api-client.ts';
import { type OutputOptions, withJson } from './cli.ts';
import { CliError, usage } from './failure.ts';
import type { CliIo } from './io.ts';

export interface DataOptions extends OutputOptions {
  data?: string;
}

/** Options of every command that calls a node. */
export interface NodeOptions extends DataOptions {
  apiUrl?: string;
}

export const withData = (command: Command): Command =>
  withJson(command).option('--data <dir>', 'data directory (default: CAPSULE_DATA, else ~/.capsule)');

export const withNode = (command: Command): Command =>
  withData(command).option(
    '--api-url <url>',
    'call the node at this address (default: the data directory’s)',
  );

export function dataDirectory(io: Pick<CliIo, 'env'>, options: DataOptions): string {
  return home.dataDirectory(options.data, io.env);
}

/**
 * The node to call: `--api-url`, else `CAPSULE_API_URL`, else where the node of the data directory says it listens;
 * the token is `CAPSULE_API_TOKEN`, else the data directory's. Throws `unreachable` where no node is known.
 */
export async function findNode(io: CliIo, options: NodeOptions): Promise<ApiClient> {
  // Loaded here: help and completion should not wait for what validates files.
  const { readApiAddress, readToken } = await import('../daemon/token-file.ts');
  const directory = dataDirectory(io, options);
  const named = options.apiUrl ?? io.env.CAPSULE_API_URL;
  const url = named || (await readApiAddress(directory))?.url;
  if (!url) {
    throw new CliError(
      'unreachable',
      `No node runs with the data directory ${directory}.`,
      'Start one with `capsule start`, or name its directory or address: --data DIR, --api-url URL',
    );
  }
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw usage(`"${url}" is not an address such as http://127.0.0.1:4480.`);
  }
  const token = io.env.CAPSULE_API_TOKEN || (await readToken(directory));
  return new ApiClient({ url, token });
}
