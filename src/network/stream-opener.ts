import type { Connection, Stream } from '@libp2p/interface';
import { EXCHANGE_PROTOCOL } from '../../protocols/common/v1/limits.ts';
import { follow, raceAbort, throwIfAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import type { NetworkLimits } from './limits.ts';

export interface StreamOpenerComponents {
  clock: Clock;
  /** Open connections to the peer. */
  connections: (nodeId: string) => Pick<Connection, 'newStream'>[];
  /** Within a bounded time. */
  dial: (nodeId: string) => Promise<unknown>;
}

/** Between two tries at a peer that takes no messages yet; doubled each time. */
const FIRST_RETRY_MS = 50;

/** Opens exchange streams: dials where there is no connection, and waits for a peer that is only starting. */
export class StreamOpener {
  readonly #components: StreamOpenerComponents;
  readonly #limits: Pick<NetworkLimits, 'readyTimeoutMs'>;
  #stopped = new AbortController();

  constructor(components: StreamOpenerComponents, limits: Pick<NetworkLimits, 'readyTimeoutMs'>) {
    this.#components = components;
    this.#limits = limits;
  }

  stop(): void {
    this.#stopped.abort();
    this.#stopped = new AbortController();
  }

  /** Rejects with `unreachable` where no stream could be opened: nothing was sent. */
  async open(nodeId: string): Promise<Stream> {
    try {
      if (this.#components.connections(nodeId).length === 0) await this.#components.dial(nodeId);
      return await this.#within(this.#limits.readyTimeoutMs, (signal) => this.#stream(nodeId, signal));
    } catch (error) {
      throw new MeshError('unreachable', `The node ${nodeId} cannot be reached.`, undefined, {
        cause: error,
      });
    }
  }

  async #stream(nodeId: string, signal: AbortSignal): Promise<Stream> {
    for (let retryMs = FIRST_RETRY_MS; ; retryMs *= 2) {
      throwIfAborted(signal);
      const [connection] = this.#components.connections(nodeId);
      if (connection === undefined) throw new MeshError('unreachable', 'The connection was lost.');
      try {
        return await connection.newStream(EXCHANGE_PROTOCOL, { signal });
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'UnsupportedProtocolError') throw error;
      }
      await this.#pause(retryMs, signal);
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#components.clock.after(ms, resolve);
    return raceAbort(promise, signal).finally(cancel);
  }

  async #within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const overdue = new AbortController();
    const release = follow(overdue, this.#stopped.signal);
    const cancel = this.#components.clock.after(ms, () =>
      overdue.abort(new MeshError('timeout', `The node did not answer within ${ms} ms.`)),
    );
    try {
      return await work(overdue.signal);
    } finally {
      cancel();
      release();
    }
  }
}
