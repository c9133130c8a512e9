import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { MeshError } from '../lib/errors.ts';
import { portOf } from './dial-policy.ts';
import { hostOf } from './hosts.ts';

/** libp2p reports every address that failed on a line of its own: `  <multiaddr>: <kind>: <reason>`. */
const FAILED_ADDRESS = /^\s*(\/\S+): (?:\w+: )?(.*?)\.?$/gm;

/** Throws `config_invalid` for the first that is not a multiaddr. */
export function checkAddresses(addresses: readonly string[]): void {
  for (const address of addresses) {
    try {
      multiaddr(address);
    } catch (error) {
      throw new MeshError(
        'config_invalid',
        `${JSON.stringify(address)} is not an address such as /ip4/0.0.0.0/tcp/4470.`,
        { address },
        { cause: error },
      );
    }
  }
}

/**
 * Throws `config_invalid` for the first at which no other node could be reached: not a multiaddr, of no transport that nodes
 * have, without a port, on an address that is nobody's, such as 0.0.0.0, or of another node.
 */
export function checkAnnounced(addresses: readonly string[], nodeId: string): void {
  checkAddresses(addresses);
  for (const address of addresses) {
    const why = whyNotDialable(multiaddr(address), nodeId);
    if (why === undefined) continue;
    const message = `"network.announce" has ${address}, which others cannot dial: ${why}.`;
    throw new MeshError('config_invalid', message, { path: 'network.announce', found: address });
  }
}

function whyNotDialable(address: Multiaddr, nodeId: string): string | undefined {
  const port = portOf(address);
  if (port === undefined)
    return 'it must be like /ip4/192.168.1.10/tcp/4470 or /dns4/mesh.example.org/tcp/443/wss';
  if (port === 0) return 'port 0 stands for any';
  if (hostOf(address)?.reach === 'special') return 'no host has that IP address';
  const ids = address.getComponents().filter(({ code }) => code === CODE_P2P);
  return ids.every(({ value }) => value === nodeId) ? undefined : `this node is ${nodeId}`;
}

/** Why the network did not start, with the address at fault: `address_in_use` or `config_invalid`. */
export function startError(error: unknown, listen: readonly string[]): MeshError {
  if (error instanceof MeshError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const failures = [...text.matchAll(FAILED_ADDRESS)].map(([, address = '', reason = '']) => ({
    address,
    reason,
  }));
  const taken = failures.find(({ reason }) => reason.includes('EADDRINUSE'));
  if (taken !== undefined) {
    return new MeshError(
      'address_in_use',
      `The address ${taken.address} is in use by another program.`,
      { address: taken.address },
      { cause: error },
    );
  }
  const [failed] = failures;
  if (failed === undefined) {
    return new MeshError('internal', 'The network could not start.', { listen }, { cause: error });
  }
  return new MeshError(
    'config_invalid',
    `The node cannot listen on ${failed.address}: ${failed.reason}.`,
    { address: failed.address },
    { cause: error },
  );
}
