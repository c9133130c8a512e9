import type { Connection } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Multiaddr } from '@multiformats/multiaddr';
import { MeshError } from '../lib/errors.ts';
import { type Host, hostOf } from './hosts.ts';
import type { MeshLibp2p } from './libp2p-node.ts';

/** The running libp2p, and the open connections to each peer: none while nothing runs. */
export class Connections {
  #libp2p: MeshLibp2p | null = null;

  attach(libp2p: MeshLibp2p): void {
    this.#libp2p = libp2p;
  }

  /** Gives what was running. */
  detach(): MeshLibp2p | null {
    const libp2p = this.#libp2p;
    this.#libp2p = null;
    return libp2p;
  }

  get isRunning(): boolean {
    return this.#libp2p !== null;
  }

  /** Throws `unreachable` while nothing runs. */
  get libp2p(): MeshLibp2p {
    if (this.#libp2p === null) throw new MeshError('unreachable', 'The network is not running.');
    return this.#libp2p;
  }

  /** Where this node can be dialled. */
  readonly listening = (): Multiaddr[] => this.#libp2p?.getMultiaddrs() ?? [];

  readonly to = (nodeId: string): Connection[] =>
    this.#libp2p?.getConnections(peerIdFromString(nodeId)).filter(({ status }) => status === 'open') ?? [];

  /** Throws `unreachable` where there is none. */
  first(nodeId: string): Connection {
    const [connection] = this.to(nodeId);
    if (connection === undefined) throw new MeshError('unreachable', 'The connection was lost.');
    return connection;
  }

  /** Where the peer is connected from; undefined where that is no IP address. */
  readonly host = (nodeId: string): Host | undefined => {
    const [connection] = this.to(nodeId);
    return connection && hostOf(connection.remoteAddr);
  };

  /** Closes every connection to the peer at once. */
  drop(nodeId: string, reason: string): void {
    for (const connection of this.to(nodeId)) connection.abort(new Error(reason));
  }
}
