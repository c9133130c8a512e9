import { DOMAINS } from '../../protocols/common/v1/limits.ts';
import type { NodeSession, SessionNote } from '../../protocols/messages/v1/schema.ts';
import { hashJson, signHash, verifyHash } from '../capsule/signing.ts';
import type { Clock } from '../lib/clock.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import { toHex } from '../lib/hex.ts';
import { keyspace } from '../store/keyspaces.ts';
import type { Database } from '../store/types.ts';

/** Stored about the runs of this node. */
interface Runs {
  /** How many there were; the sequences of each begin above those of all before. */
  count: number;
  /** Ids of the newest, which are no other node's. */
  ids: string[];
}

const runs = keyspace<Runs>('meta');
const KEY = 'node-sessions';
/** Runs whose ids are kept: more than a crash loop has in the minutes in which others still show what it said. */
const KEPT_IDS = 64;
const ID_BYTES = 8;
/** Sequences of one run: at one in 250 ms these last for 34 years. */
const SEQUENCES = 2 ** 32;
/** Of the first run. Above the wall clocks, in milliseconds, that earlier versions began with, until the year 2039. */
const FIRST_SEQUENCE = 2 ** 41;

export interface OwnSessionComponents {
  db: Database;
  clock: Pick<Clock, 'now'>;
  crypto: Crypto;
  signer: Signer;
}

type Heading = Omit<SessionNote, 'session'>;

/** This run of this node: what it is told apart by, and whether something was said by it, by one before, or by another node. */
export class OwnSession {
  readonly id: string;
  readonly startedAt: number;
  /** No run of this store had such a high one. */
  readonly firstSequence: number;
  readonly #components: OwnSessionComponents;
  readonly #ids: ReadonlySet<string>;

  private constructor(components: OwnSessionComponents, { count, ids }: Runs, id: string) {
    this.#components = components;
    this.id = id;
    this.startedAt = components.clock.now();
    this.firstSequence = FIRST_SEQUENCE + count * SEQUENCES;
    this.#ids = new Set(ids);
  }

  /** Counts this run, on the disk when it resolves. */
  static async begin(components: OwnSessionComponents): Promise<OwnSession> {
    const { db, crypto } = components;
    const id = toHex(crypto.randomBytes(ID_BYTES));
    const before = db.get(runs, KEY) ?? { count: 0, ids: [] };
    const now = { count: before.count + 1, ids: [...before.ids, id].slice(-KEPT_IDS) };
    await write(db, now);
    return new OwnSession(components, now, id);
  }

  /** Says of an advertisement that it is of this run. */
  sign(heading: Heading): NodeSession {
    const { crypto, signer } = this.#components;
    const { id, startedAt } = this;
    return { id, startedAt, signature: signHash(signer, DOMAINS.session, hashOf(crypto, heading, this)) };
  }

  /**
   * Whether another node with this one's key said this, and since this one started. What this node said in a run before
   * may be shown to it by any peer, at any time, and proves nothing.
   */
  isTwin(note: SessionNote): boolean {
    const { session, timestamp } = note;
    return timestamp > this.startedAt && !this.#ids.has(session.id) && this.#signed(note);
  }

  /** Of two runs the younger one steps back: both judge by the same two times, or ids where these are equal. */
  isYoungerThan({ session }: SessionNote): boolean {
    if (session.startedAt !== this.startedAt) return this.startedAt > session.startedAt;
    return this.id > session.id;
  }

  /** Counts runs up to a sequence that another node used under this one's name: the next run begins above it. */
  async passSequence(sequence: number): Promise<void> {
    const { db } = this.#components;
    const found = db.get(runs, KEY) ?? { count: 0, ids: [this.id] };
    const count = Math.ceil((sequence - FIRST_SEQUENCE) / SEQUENCES);
    if (count > found.count && FIRST_SEQUENCE + (count + 1) * SEQUENCES < Number.MAX_SAFE_INTEGER) {
      await write(db, { ...found, count });
    }
  }

  #signed({ session, ...heading }: SessionNote): boolean {
    const { crypto, signer } = this.#components;
    const hash = hashOf(crypto, heading, session);
    return verifyHash(crypto, DOMAINS.session, hash, session.signature, signer.identity);
  }
}

function hashOf(
  crypto: Crypto,
  { nodeId, sequence, timestamp }: Heading,
  { id, startedAt }: Pick<NodeSession, 'id' | 'startedAt'>,
): string {
  return hashJson(crypto, { nodeId, sequence, timestamp, session: id, startedAt });
}

async function write(db: Database, now: Runs): Promise<void> {
  const tx = db.transaction();
  tx.put(runs, KEY, now);
  await tx.commit();
}
