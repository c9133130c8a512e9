import { effectsOf } from '../../src/exchange/machine/effects-of.ts';
import { hasEnded, type State } from '../../src/exchange/machine/state.ts';
import { disputeReference, paymentId, reversalReference } from '../../src/ledger/books.ts';
import type { LedgerEntry } from '../../src/ledger/types.ts';
import { EXCHANGE, type SimNode } from './sim-node.ts';
import { mayRepeat } from './workload.ts';

/** Entries read of a book at a time. */
const PAGE = 500;

export interface Violation {
  /** The capsule that shows it; null where a whole book or chain does. */
  capsuleId: string | null;
  sentence: string;
}

/** One time that a capability's code began on an honest node. */
export interface Run {
  node: string;
  life: number;
  at: number;
}

/** What the simulation itself saw, beside what the nodes stored. */
export interface Record {
  /** Capsules that a `submit` confirmed, and where. */
  readonly accepted: ReadonlyMap<string, SimNode>;
  /** Root capsules that were signed by their origin, by id. */
  readonly signed: ReadonlySet<string>;
  readonly runs: ReadonlyMap<string, readonly Run[]>;
}

/** Whatever no history may break, once nothing is on its way any more. */
export async function violationsOf(nodes: readonly SimNode[], record: Record): Promise<Violation[]> {
  const found: Violation[] = [];
  const say = (capsuleId: string | null, sentence: string): void => void found.push({ capsuleId, sentence });
  forgotten(record, say);
  repeated(nodes, record, say);
  unsigned(nodes, record, say);
  for (const node of nodes) {
    for await (const state of node.life.capsules.open()) inHand(node, state, say);
    const receipts = await node.life.engine.receipts.verify();
    for (const { problem } of receipts.problems) say(null, `${node.name}: receipt: ${problem}`);
    const ledger = await node.life.ledger.verify();
    for (const problem of ledger.problems) say(null, `${node.name}: ledger: ${problem}`);
  }
  await books(nodes, say);
  return found;
}

type Say = (capsuleId: string | null, sentence: string) => void;

/** Accepted capsules and their steps that have not ended where they were submitted. */
export class Unfinished {
  /** Ids with the node that accepted their root. */
  readonly #open = new Map<string, SimNode>();

  add(id: string, node: SimNode): void {
    this.#open.set(id, node);
  }

  /** What has ended is not looked at again. */
  *look(): Generator<{ node: SimNode; id: string; state: State | undefined }> {
    for (const [id, node] of this.#open) {
      const state = node.state(id);
      if (state === undefined || !hasEnded(state)) {
        yield { node, id, state };
        continue;
      }
      this.#open.delete(id);
      for (const { child } of state.steps) if (child !== null) this.#open.set(child, node);
    }
  }
}

function forgotten(record: Record, say: Say): void {
  const unfinished = new Unfinished();
  for (const [id, node] of record.accepted) unfinished.add(id, node);
  for (const { node, id, state } of unfinished.look()) {
    const kind = state?.life.care?.phase.kind;
    say(
      id,
      `${node.name} forgot a capsule that it had accepted: ${state?.status ?? 'unknown'}, ${kind ?? 'no care'}`,
    );
  }
}

/** Nothing is left to be done, and so nothing may wait for something, or for nothing. */
function inHand(node: SimNode, state: State, say: Say): void {
  const capsule = node.capsule(state.id);
  if (capsule === undefined)
    return say(state.id, `${node.name} has the state of a capsule, and not the capsule`);
  const asks = effectsOf(state, capsule, EXCHANGE).map(({ key }) => key);
  const life = JSON.stringify(state.life).slice(0, 200);
  say(
    state.id,
    `${node.name} has it in hand when all is over, ${state.status}, and waits for ${asks.join(', ') || 'nothing'}: ${life}`,
  );
}

/** What may not run twice did. */
function repeated(nodes: readonly SimNode[], { runs }: Record, say: Say): void {
  for (const [id, times] of runs) {
    if (times.length < 2) continue;
    const capsule = capsuleOf(nodes, id);
    if (capsule === undefined || mayRepeat(capsule)) continue;
    const places = times.map(({ node, life, at }) => `${node} (life ${life}) at ${at / 1000} s`);
    say(id, `what may not run twice ran ${times.length} times: ${places.join(', ')}`);
  }
}

/** Everything that ran comes of a root that its origin signed. */
function unsigned(nodes: readonly SimNode[], { runs, signed }: Record, say: Say): void {
  for (const id of runs.keys()) {
    let root: string | null = id;
    for (let at = capsuleOf(nodes, id); at?.parentCapsule; at = capsuleOf(nodes, at.parentCapsule)) {
      root = at.parentCapsule;
    }
    if (!signed.has(root)) say(id, `what ran comes of ${root.slice(0, 8)}, which no origin signed`);
  }
}

function capsuleOf(nodes: readonly SimNode[], id: string) {
  for (const node of nodes) {
    const capsule = node.capsule(id);
    if (capsule !== undefined) return capsule;
  }
  return undefined;
}

/** Of one payment in one book. */
interface Booked {
  entry: LedgerEntry;
  reversed: boolean;
  disputed: boolean;
}

/** Books agree in pairs, disputes excepted, and nobody is paid twice. */
async function books(nodes: readonly SimNode[], say: Say): Promise<void> {
  const byIdentity = new Map<string, { node: SimNode; book: Map<string, Booked> }>();
  for (const node of nodes) byIdentity.set(node.key.identity, { node, book: await bookOf(node) });
  const payees = new Map<string, string[]>();
  for (const [identity, { node, book }] of byIdentity) {
    for (const [reference, { entry, reversed, disputed }] of book) {
      const id = paymentId(reference) ?? null;
      const other = byIdentity.get(entry.credit === identity ? entry.debit : entry.credit);
      if (reversed) continue;
      if (entry.credit === identity && !disputed) {
        const payer = byIdentity.get(entry.debit);
        if (payer !== undefined) payees.set(reference, [...(payees.get(reference) ?? []), node.name]);
      }
      if (other === undefined || disputed) continue;
      const mirror = other.book.get(reference);
      const isMirrored = mirror !== undefined && !mirror.reversed && mirror.entry.credit === entry.credit;
      if (!isMirrored) say(id, `${node.name} has booked what ${other.node.name} has not`);
      else if (mirror.entry.microAmount !== entry.microAmount)
        say(id, `${node.name} and ${other.node.name} have booked different amounts`);
    }
  }
  for (const [reference, names] of payees) {
    if (names.length > 1) say(paymentId(reference) ?? null, `it was paid to ${names.join(' and ')}`);
  }
}

async function bookOf({ life }: SimNode): Promise<Map<string, Booked>> {
  const entries = new Map<string, LedgerEntry>();
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await life.ledger.history({ limit: PAGE, ...(cursor !== '' && { cursor }) });
    for (const entry of page.items) entries.set(entry.reference, entry);
    cursor = page.cursor;
  }
  const booked = new Map<string, Booked>();
  for (const [reference, entry] of entries) {
    const id = paymentId(reference);
    if (id === undefined) continue;
    const reversed = entries.has(reversalReference(id));
    booked.set(reference, { entry, reversed, disputed: entries.has(disputeReference(id)) });
  }
  return booked;
}
