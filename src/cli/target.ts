import { MeshClient } from '../client/client.ts';
import * as home from '../lib/home.ts';
import { CliError, usage } from './failure.ts';
import type { CliIo } from './io.ts';
import type { DataOptions, NodeOptions } from './options.ts';

export function dataDirectory(io: Pick<CliIo, 'env'>, options: Partial<Pick<DataOptions, 'data'>>): string {
  return home.dataDirectory(options.data, io.env);
}

/** Options that say which node is meant. */
type Target = Partial<Pick<NodeOptions, 'data' | 'apiUrl' | 'plainHttp'>>;

/**
 * The node to call: `--api-url`, else `CAPSULE_API_URL`, else where the node of the data directory says it listens. The
 * data directory's token goes to that node alone: an address that was given may be anybody's, and gets `CAPSULE_API_TOKEN` or
 * none. Throws `unreachable` where no node is known, and `usage` before a token could be read on the way.
 */
export async function findNode(io: CliIo, options: Target): Promise<MeshClient> {
  // Loaded here: help and completion should not wait for what validates files.
  const { readApiAddress, readToken } = await import('../daemon/token-file.ts');
  const directory = dataDirectory(io, options);
  const given = options.apiUrl ?? io.env.CAPSULE_API_URL;
  const token = io.env.CAPSULE_API_TOKEN || undefined;
  if (given) return new MeshClient({ url: checkedAddress(given, token, options), token });
  const url = (await readApiAddress(directory))?.url;
  if (url === undefined) {
    throw new CliError(
      'unreachable',
      `No node runs with the data directory ${directory}.`,
      'Start one with `capsule start`, or name its directory or address: --data DIR, --api-url URL',
    );
  }
  return new MeshClient({ url, token: token ?? (await readToken(directory)) });
}

function checkedAddress(given: string, token: string | undefined, { plainHttp }: Target): string {
  if (!/^https?:\/\//.test(given) || !URL.canParse(given))
    throw usage(`"${given}" is not an address such as http://127.0.0.1:4480.`);
  const { protocol, hostname, username } = new URL(given);
  if (username !== '') throw usage('An address has no user name; the token is CAPSULE_API_TOKEN.');
  const exposed = token !== undefined && protocol === 'http:' && !isLoopback(hostname);
  if (exposed && plainHttp !== true)
    throw usage(
      `The token would cross the network to ${hostname} where anybody on the way can read it.`,
      'Use https:// or an SSH tunnel to 127.0.0.1; or, on a network that you trust: --plain-http',
    );
  return given;
}

/** Of a URL, which has brought IP addresses into their one form. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
