import { generateKeyPairSync, hash, type KeyObject, sign, verify } from 'node:crypto';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { identify } from '@libp2p/identify';
import type { Stream } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import canonicalize from 'canonicalize';
import { createLibp2p, type Libp2p } from 'libp2p';
import { Uint8ArrayList } from 'uint8arraylist';

/*
 * The bare prototype that the mesh is measured against: two processes, one coalesced stream, sign, verify, sign,
 * verify, store at both ends, and nothing else: no validation, no engine, no receipts, no scheduling.
 */

export const PROTOTYPE_PROTOCOL = '/capsule-mesh-bench/prototype/1.0.0';
const HEADER_BYTES = 4;
const MAX_WRITE_BYTES = 32_768;

export function createHost(listen: string[]): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  });
}

/** Length-prefixed JSON frames; those of one tick share a write of at most 32 KiB. */
export class Frames {
  readonly #stream: Stream;
  #queued: Uint8Array[] = [];
  #queuedBytes = 0;
  #scheduled = false;

  constructor(stream: Stream, onFrame: (frame: unknown) => void) {
    this.#stream = stream;
    const received = new Uint8ArrayList();
    stream.addEventListener('message', ({ data }) => {
      received.append(data);
      while (received.byteLength >= HEADER_BYTES) {
        const length = received.getUint32(0);
        if (received.byteLength < HEADER_BYTES + length) break;
        const frame = received.slice(HEADER_BYTES, HEADER_BYTES + length);
        received.consume(HEADER_BYTES + length);
        onFrame(JSON.parse(Buffer.from(frame).toString('utf8')));
      }
    });
  }

  send(value: unknown): void {
    const body = Buffer.from(JSON.stringify(value));
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32BE(body.length);
    this.#queued.push(header, body);
    this.#queuedBytes += header.length + body.length;
    if (this.#queuedBytes >= MAX_WRITE_BYTES) {
      this.#flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => this.#flush());
    }
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#queued.length === 0) return;
    const bytes = Buffer.concat(this.#queued);
    this.#queued = [];
    this.#queuedBytes = 0;
    this.#stream.send(bytes);
  }
}

export interface Signed {
  id: string;
  body: Record<string, unknown>;
  signature: string;
}

export class Keys {
  readonly #pair = generateKeyPairSync('ed25519');

  get publicKey(): KeyObject {
    return this.#pair.publicKey;
  }

  sign(body: Record<string, unknown>): Signed {
    const id = hash('sha256', canonicalize(body) ?? '');
    return { id, body, signature: sign(null, Buffer.from(id, 'hex'), this.#pair.privateKey).toString('hex') };
  }
}

export function check(signed: Signed, publicKey: KeyObject): void {
  const id = hash('sha256', canonicalize(signed.body) ?? '');
  const valid = verify(null, Buffer.from(id, 'hex'), publicKey, Buffer.from(signed.signature, 'hex'));
  if (id !== signed.id || !valid) throw new Error('The prototype received something it did not sign');
}
