import type { Logger } from 'pino';
import type { SessionNote } from '../../protocols/messages/v1/schema.ts';
import type { Startable } from '../lib/lifecycle.ts';
import type { Network } from '../network/types.ts';
import type { OwnSession } from './own-session.ts';

/** What the owner of two nodes with one identity should do. */
const NEXT_STEP =
  'Stop one of the two for good, or give it an identity of its own: stop it, and move its identity.json and store away.';

export interface TwinWatchComponents {
  network: Pick<Network, 'on' | 'off' | 'stop'>;
  session: Pick<OwnSession, 'isTwin' | 'isYoungerThan' | 'passSequence' | 'startedAt'>;
  advertiser: {
    /** Says nothing more. */
    silence(): void;
    /** Says all that is offered under a sequence above this one. */
    outdo(sequence: number): void;
  };
  log: Logger;
}

/**
 * Finds out that another node goes by this one's identity, as a data directory that was copied makes one. The younger of
 * two leaves the mesh: a sender to that identity cannot choose which of two connections it takes.
 */
export class TwinWatch implements Startable {
  readonly #parts: TwinWatchComponents;
  #warning: string | null = null;
  #stepsBack = false;

  constructor(parts: TwinWatchComponents) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    this.#parts.network.on('session:shown', this.#onShown);
    this.#parts.network.on('self:met', this.#onMet);
  }

  async stop(): Promise<void> {
    this.#parts.network.off('session:shown', this.#onShown);
    this.#parts.network.off('self:met', this.#onMet);
  }

  /** For a person; null while no other node was found. */
  get warning(): string | null {
    return this.#warning;
  }

  /** A handshake with the own key, which is no proof of which is older: a peer that knows both will show their sessions. */
  readonly #onMet = (): void => {
    if (this.#warning !== null) return;
    this.#warn('Another node answers with the identity of this one', {});
  };

  readonly #onShown = (note: SessionNote, from: string): void => {
    const { session, advertiser, network, log } = this.#parts;
    if (this.#stepsBack || !session.isTwin(note)) return;
    const other = { session: note.session.id, otherStartedAt: note.session.startedAt, shownBy: from };
    session.passSequence(note.sequence).catch((error: unknown) => {
      log.debug({ err: error }, 'The sequence of another node could not be noted');
    });
    if (!session.isYoungerThan(note)) {
      this.#warn('Another node that started later goes by the identity of this one, which goes on', other);
      advertiser.outdo(note.sequence);
      return;
    }
    this.#stepsBack = true;
    this.#warn(
      'Another node that started earlier goes by the identity of this one, which left the mesh',
      other,
    );
    advertiser.silence();
    network.stop().catch((error: unknown) => log.error({ err: error }, 'The network could not be left'));
  };

  #warn(found: string, detail: object): void {
    const warning = `${found}. ${NEXT_STEP}`;
    if (warning === this.#warning) return;
    this.#warning = warning;
    this.#parts.log.warn({ code: 'identity_twice', ...detail }, warning);
  }
}
