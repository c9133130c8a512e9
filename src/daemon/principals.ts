import {
  type Claim,
  OWNER_NAME,
  type Principal,
  type PrincipalRecord,
  type Principals,
  type Scope,
} from '../api/principal.ts';
import { fromMicro } from '../capsule/credits.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { toHex } from '../lib/hex.ts';
import { keyspace } from '../store/keyspaces.ts';
import type { Database, Transaction } from '../store/types.ts';

/** Tools and people of one owner; each is a row in memory. */
const MAX_PRINCIPALS = 256;
const TOKEN_BYTES = 32;
/** A token's prefix: people and secret scanners that find one in a log or a repository see what it is. */
const TOKEN_PREFIX = 'capsule_';
const DAY_MS = 86_400_000;

interface Row {
  name: string;
  scope: Scope;
  capabilities: string[] | null;
  microSpendPerDay: number | null;
  expiresAt: number | null;
  createdAt: number;
  /** SHA-256 of the token, in hex. A token is random, so nothing slower is needed. */
  tokenHash: string;
  /** The day, counted from the epoch, and what it has taken so far. */
  spent: { day: number; micro: number };
}

const rows = keyspace<Row>('principals');
const submitters = keyspace<string>('capsulePrincipals');

interface Components {
  db: Database;
  crypto: Pick<Crypto, 'randomBytes' | 'sha256'>;
  /** ms since the epoch, on a clock that does not go back: no token is valid again, and no day has two allowances. */
  ageNow: () => number;
}

/** Principals in the node's database. The number of rows is bounded; what they submitted goes with the capsules. */
export class DatabasePrincipals implements Principals {
  readonly #components: Components;
  readonly #byName = new Map<string, Row>();
  readonly #byHash = new Map<string, Row>();

  private constructor(components: Components) {
    this.#components = components;
  }

  static async open(components: Components): Promise<DatabasePrincipals> {
    const principals = new DatabasePrincipals(components);
    for await (const [, row] of components.db.scan(rows, {})) principals.#hold(row);
    return principals;
  }

  async create(init: Omit<Principal, 'scope'> & { scope: Scope }) {
    const { crypto, db, ageNow } = this.#components;
    const { name, scope, capabilities, microSpendPerDay, expiresAt } = init;
    if (name === OWNER_NAME || this.#byName.has(name))
      throw new MeshError('conflict', `There is a token "${name}" already; revoke it, or take another name.`);
    if (this.#byName.size >= MAX_PRINCIPALS)
      throw new MeshError('busy', `There are ${MAX_PRINCIPALS} tokens already; revoke one that is not used.`);
    if (expiresAt !== null && expiresAt <= ageNow())
      throw new MeshError('invalid_request', 'The token would have expired already.', { expiresAt });
    const secret = Buffer.from(crypto.randomBytes(TOKEN_BYTES)).toString('base64url');
    const token = `${TOKEN_PREFIX}${secret}`;
    const row: Row = {
      name,
      scope,
      capabilities: capabilities === null ? null : [...capabilities],
      microSpendPerDay,
      expiresAt,
      createdAt: ageNow(),
      tokenHash: this.#hashOf(token),
      spent: { day: this.#today(), micro: 0 },
    };
    this.#hold(row);
    const tx = db.transaction();
    tx.put(rows, name, row);
    try {
      await tx.commit();
    } catch (error) {
      this.#drop(row);
      throw error;
    }
    return { principal: this.#record(row), token };
  }

  list(): PrincipalRecord[] {
    const all = [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return all.map((row) => this.#record(row));
  }

  async revoke(name: string): Promise<PrincipalRecord> {
    const row = this.#byName.get(name);
    if (row === undefined) throw new MeshError('not_found', `There is no token "${name}".`);
    // It opens nothing from now on, whatever the disk says.
    this.#drop(row);
    const tx = this.#components.db.transaction();
    tx.delete(rows, name);
    await tx.commit();
    return this.#record(row);
  }

  find(token: string): Principal | undefined {
    if (!token.startsWith(TOKEN_PREFIX)) return undefined;
    // By its hash, so that the time of the look-up tells nothing about the token.
    const row = this.#byHash.get(this.#hashOf(token));
    if (row === undefined) return undefined;
    return row.expiresAt !== null && row.expiresAt <= this.#components.ageNow() ? undefined : row;
  }

  claim(name: string, id: string, microCost: number): Claim {
    const row = this.#byName.get(name);
    if (row === undefined) throw new MeshError('unauthorized', `The token "${name}" was revoked.`);
    this.#refuseBeyond(row, microCost);
    const tx = this.#components.db.transaction();
    tx.put(submitters, id, name);
    this.#spend(tx, row, microCost);
    const { day } = row.spent;
    return {
      durable: tx.commit({ relaxed: true }),
      undo: async () => {
        const back = this.#components.db.transaction();
        back.delete(submitters, id);
        const counted = this.#byName.get(name) === row && row.spent.day === day;
        if (counted) this.#spend(back, row, -microCost);
        await back.commit({ relaxed: true });
      },
    };
  }

  ownerOf(id: string): string | undefined {
    return this.#components.db.get(submitters, id);
  }

  #refuseBeyond(row: Row, microCost: number): void {
    const { name, microSpendPerDay: limit } = row;
    if (limit === null || microCost === 0) return;
    const cost = fromMicro(microCost);
    const detail = { missing: 'spend', cost, spendPerDay: fromMicro(limit) };
    if (microCost > limit) {
      const message = `This may cost ${cost} credits, and the token "${name}" may spend ${fromMicro(limit)} a day.`;
      throw new MeshError('permission_denied', message, detail);
    }
    const left = limit - this.#spentToday(row);
    if (microCost <= left) return;
    const message = `This may cost ${cost} credits, and the token "${name}" has ${fromMicro(left)} left today (UTC).`;
    throw new MeshError('rate_limited', message, { ...detail, left: fromMicro(left) });
  }

  #spend(tx: Transaction, row: Row, micro: number): void {
    row.spent = { day: this.#today(), micro: Math.max(0, this.#spentToday(row) + micro) };
    if (micro !== 0) tx.put(rows, row.name, row);
  }

  #spentToday({ spent }: Row): number {
    return spent.day === this.#today() ? spent.micro : 0;
  }

  #today(): number {
    return Math.floor(this.#components.ageNow() / DAY_MS);
  }

  #record(row: Row): PrincipalRecord {
    const { tokenHash: _, spent: __, ...shown } = row;
    return { ...shown, microSpentToday: this.#spentToday(row) };
  }

  #hashOf(token: string): string {
    return toHex(this.#components.crypto.sha256(token));
  }

  #hold(row: Row): void {
    this.#byName.set(row.name, row);
    this.#byHash.set(row.tokenHash, row);
  }

  #drop(row: Row): void {
    this.#byName.delete(row.name);
    this.#byHash.delete(row.tokenHash);
  }
}
