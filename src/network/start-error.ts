import { multiaddr } from '@multiformats/multiaddr';
import { MeshError } from '../lib/errors.ts';

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
