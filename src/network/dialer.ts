import type { Connection } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { abortError } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import type { NetworkLimits } from './limits.ts';

export interface DialerComponents {
  clock: Clock;
  /** Addresses to dial for a peer, best first, without its id; what must not be dialled now is left out. */
  targets: (nodeId: string) => Multiaddr[];
  /** One address. */
  connect: (address: Multiaddr, options: { signal: AbortSignal }) => Promise<Connection>;
}

/** A next address is tried so long after the one before, where that has not answered: one that is dead costs no more. */
const HEADSTART_MS = 250;

/** Dials peers at all their addresses, each a little after the one before, within a bounded time. */
export class Dialer {
  readonly #components: DialerComponents;
  readonly #timeoutMs: number;
  /** Bounded as those who ask are: discovery, and nodes that are just sent to. */
  readonly #dials = new Map<string, { promise: Promise<Connection>; abort: AbortController }>();
  /** Who must answer at an address that is being dialled. */
  readonly #expected = new Set<{ address: Multiaddr; nodeId: string }>();

  constructor(components: DialerComponents, limits: Pick<NetworkLimits, 'dialTimeoutMs'>) {
    this.#components = components;
    this.#timeoutMs = limits.dialTimeoutMs;
  }

  /** False where another peer answered than was dialled there; for the gate, before anything is exchanged. */
  expects(address: Multiaddr, nodeId: string): boolean {
    const there = [...this.#expected].filter((expected) => expected.address.equals(address));
    return there.length === 0 || there.some((expected) => expected.nodeId === nodeId);
  }

  /** The connection to the peer; two that ask at once share one dial. Rejects with `unreachable`. */
  dial(nodeId: string): Promise<Connection> {
    const underWay = this.#dials.get(nodeId);
    if (underWay !== undefined) return underWay.promise;
    const abort = new AbortController();
    const cancel = this.#components.clock.after(this.#timeoutMs, () =>
      abort.abort(new MeshError('timeout', `The node did not answer within ${this.#timeoutMs} ms.`)),
    );
    const promise = this.#first(nodeId, this.#components.targets(nodeId), abort.signal).finally(() => {
      cancel();
      abort.abort();
      this.#dials.delete(nodeId);
    });
    this.#dials.set(nodeId, { promise, abort });
    return promise;
  }

  stop(): void {
    for (const { abort } of this.#dials.values()) abort.abort();
  }

  #first(nodeId: string, targets: Multiaddr[], signal: AbortSignal): Promise<Connection> {
    const { clock } = this.#components;
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const errors: unknown[] = [];
    let [next, running, done] = [0, 0, false];
    let cancelNext = () => {};
    const end = (settle: () => void): void => {
      done = true;
      cancelNext();
      settle();
    };
    const start = (): void => {
      cancelNext();
      if (done) return;
      const target = targets[next++];
      if (target === undefined) {
        if (running === 0) end(() => reject(unreachable(nodeId, errors)));
        return;
      }
      running++;
      this.#connect(nodeId, target, signal).then(
        (connection) => {
          if (done) void connection.close().catch((error: Error) => connection.abort(error));
          else end(() => resolve(connection));
        },
        (error: unknown) => {
          running--;
          errors.push(error);
          start();
        },
      );
      cancelNext = clock.after(HEADSTART_MS, start);
    };
    signal.addEventListener(
      'abort',
      () => {
        if (!done) end(() => reject(unreachable(nodeId, [abortError(signal)])));
      },
      { once: true },
    );
    start();
    return promise;
  }

  async #connect(nodeId: string, address: Multiaddr, signal: AbortSignal): Promise<Connection> {
    const expected = { address, nodeId };
    this.#expected.add(expected);
    try {
      const connection = await this.#components.connect(address, { signal });
      if (connection.remotePeer.toString() === nodeId) return connection;
      throw new MeshError('unreachable', 'Another node answers there.');
    } finally {
      this.#expected.delete(expected);
    }
  }
}

function unreachable(nodeId: string, errors: unknown[]): MeshError {
  const cause = errors.length === 1 ? errors[0] : new AggregateError(errors, 'No address answers.');
  return new MeshError('unreachable', `The node ${nodeId} cannot be reached.`, undefined, { cause });
}
