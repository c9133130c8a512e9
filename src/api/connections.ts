import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** Connections that sent no valid token; a browser takes six before its page has one, a probe takes one. */
const MAX_UNKNOWN = 128;
/** Connections that sent one. */
const MAX_KNOWN = 384;
/** Being closed while others come in their place. */
const CLOSING = 64;

/**
 * Places for connections. Connections without a valid token share few of them, and the oldest of these makes room for the
 * next: neither half-sent requests nor busy ones to the open routes keep clients with a token out.
 */
export class Connections {
  readonly #unknown = new Set<Socket>();
  readonly #known = new Set<Socket>();

  watch(server: Server): void {
    server.maxConnections = MAX_UNKNOWN + MAX_KNOWN + CLOSING;
    server.on('connection', this.#onConnection);
  }

  /** A request with a valid token came in by it. */
  admit(socket: Socket): void {
    // Beyond its places it stays among the others, where it is safe while there is room.
    if (this.#known.size >= MAX_KNOWN || !this.#unknown.delete(socket)) return;
    this.#known.add(socket);
  }

  readonly #onConnection = (socket: Socket): void => {
    this.#unknown.add(socket);
    socket.once('close', () => {
      this.#unknown.delete(socket);
      this.#known.delete(socket);
    });
    const [oldest] = this.#unknown;
    if (this.#unknown.size <= MAX_UNKNOWN || oldest === undefined) return;
    this.#unknown.delete(oldest);
    oldest.destroy();
  };
}
