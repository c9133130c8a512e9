import type { Logger } from 'pino';
import type { ExchangeMessage } from '../../protocols/messages/v1/schema.ts';
import type { MessageHandler } from './types.ts';

export interface MessageHandlingComponents {
  log: Logger;
  /** The peer may be read again. */
  room: (from: string) => void;
}

/** Hands messages to the one handler, in order, and counts for each peer what it has not finished with. */
export class MessageHandling {
  readonly #components: MessageHandlingComponents;
  readonly #perPeer: number;
  /** Bounded by the connected peers: an entry goes when its last handling ends. */
  readonly #unfinished = new Map<string, number>();
  #failures = 0;
  handler: MessageHandler | null = null;

  constructor(components: MessageHandlingComponents, init: { perPeer: number }) {
    this.#components = components;
    this.#perPeer = init.perPeer;
  }

  get listening(): boolean {
    return this.handler !== null;
  }

  /** Whether the next message of the peer can be handled now. */
  takes(from: string): boolean {
    return this.listening && (this.#unfinished.get(from) ?? 0) < this.#perPeer;
  }

  /** What the handler throws, or rejects with, is logged and counted, and costs the peer nothing. */
  handle(from: string, message: ExchangeMessage): void {
    const failed = (error: unknown): void => {
      this.#failures++;
      const context = { err: error, peer: from, type: message.type, failures: this.#failures };
      this.#components.log.error(context, 'Handling a message failed');
    };
    try {
      const handled: unknown = this.handler?.(from, message);
      if (!(handled instanceof Promise)) return;
      this.#unfinished.set(from, (this.#unfinished.get(from) ?? 0) + 1);
      void handled.catch(failed).then(() => this.#finished(from));
    } catch (error) {
      failed(error);
    }
  }

  #finished(from: string): void {
    const before = this.#unfinished.get(from) ?? 0;
    if (before <= 1) this.#unfinished.delete(from);
    else this.#unfinished.set(from, before - 1);
    if (before >= this.#perPeer) this.#components.room(from);
  }
}
