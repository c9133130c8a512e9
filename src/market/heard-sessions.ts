import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { CapabilityAdvertisement, SessionNote } from '../../protocols/messages/v1/schema.ts';
import type { Clock } from '../lib/clock.ts';
import type { Network } from '../network/types.ts';
import { PeerRates } from './peer-rates.ts';

/** Peers whose session is remembered: more than can be connected. */
const MAX_PEERS = 1_024;
/** Of showing a node what else was said under its name: a restart is one. */
const SHOWN = { each: { perSecond: 0.1, burst: 8 }, all: { perSecond: 2, burst: 64 } } as const;

export interface HeardSessionsComponents {
  network: Pick<Network, 'isConnected' | 'showSessions'>;
  clock: Clock;
  log: Logger;
}

interface Heard {
  note: SessionNote;
  /** What was heard last of the session before. */
  former: SessionNote | undefined;
  /** It was logged that two nodes go by this id. */
  told: boolean;
}

/**
 * Two nodes with one key never hear each other: no connection to one's own id is opened, and gossip is not sent back to
 * its author. So a node that hears of a second session of a connected peer shows it what each of the two signed, on all
 * connections; a node that only was restarted knows its own former session and does nothing.
 */
export class HeardSessions {
  readonly #parts: HeardSessionsComponents;
  readonly #peers = new LRUCache<string, Heard>({ max: MAX_PEERS });
  readonly #rates: PeerRates;

  constructor(parts: HeardSessionsComponents) {
    this.#parts = parts;
    this.#rates = new PeerRates(parts, SHOWN);
  }

  /** For each advertisement whose sender was authenticated, news or not. */
  hear({ nodeId, sequence, timestamp, session }: CapabilityAdvertisement): void {
    const { network } = this.#parts;
    if (session === undefined || !network.isConnected(nodeId)) return;
    const note = { nodeId, sequence, timestamp, session };
    const known = this.#peers.get(nodeId);
    if (known === undefined || known.note.session.id === session.id) {
      this.#peers.set(nodeId, { former: undefined, told: false, ...known, note });
      return;
    }
    const told = known.told || wentOn(note, known);
    if (told && !known.told) this.#tell(note, known.note);
    this.#peers.set(nodeId, { note, former: known.note, told });
    if (this.#rates.admits(nodeId)) network.showSessions(nodeId, [known.note, note]);
  }

  #tell({ nodeId, session }: SessionNote, other: SessionNote): void {
    this.#parts.log.warn(
      { code: 'identity_twice', nodeId, sessions: [session.id, other.session.id] },
      'Two nodes go by one identity, and what is sent to it may reach either; one of them needs an identity of its own',
    );
  }
}

/**
 * Whether the earlier of two sessions said something new after the later one began. Neither its messages of before, sent
 * again by a third party, nor a goodbye that comes late are that.
 */
function wentOn(note: SessionNote, { former, note: follower }: Heard): boolean {
  if (former?.session.id !== note.session.id) return false;
  const { startedAt } = follower.session;
  return note.session.startedAt <= startedAt && note.sequence > former.sequence && note.timestamp > startedAt;
}
