import type { Logger } from 'pino';
import type { Clock } from '../../lib/clock.ts';
import type { FaultPoints } from '../../lib/fault-points.ts';
import type { Network } from '../../network/types.ts';
import type { State } from '../machine/state.ts';
import { trySend } from '../try-send.ts';
import type { Outcomes } from './outcomes.ts';
import { parting } from './parting.ts';
import type { Peers } from './peers.ts';
import type { Performer } from './performers.ts';

/** First and longest pause before outcomes are offered again to a node that did not acknowledge them. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 3_600_000;
/** Outcomes offered again to one node in one round; the next round begins with the others. */
const OFFERED_PER_ROUND = 64;

interface Components {
  clock: Clock;
  network: Network;
  peers: Peers;
  outcomes: Outcomes;
  faults: FaultPoints;
  log: Logger;
}

/** A node that owes acknowledgements. */
interface Debtor {
  /** Capsule ids, the longest not offered first. */
  readonly owed: Map<string, () => Promise<boolean>>;
  pauseMs: number;
  cancelTimer: () => void;
  stopListening: () => void;
}

/** Offers outcomes until they are acknowledged: at once, when the node connects, and with growing pauses. */
export class Deliveries {
  readonly #components: Components;
  readonly #graceMs: number;
  /** As many as the undelivered outcomes have receivers. */
  readonly #debtors = new Map<string, Debtor>();
  /** Of this life's outcomes: offered, and not acknowledged yet. */
  readonly #unconfirmed = new Set<Promise<void>>();

  constructor(components: Components, { graceMs }: { graceMs: number }) {
    this.#components = components;
    this.#graceMs = graceMs;
  }

  /**
   * Resolves when every new outcome was acknowledged or has nobody who takes it, or after so long. That the network took it
   * is not enough for a node that leaves: what a busy receiver has not read yet is lost where it writes to us after we closed.
   */
  async flush(ms: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancelTimer = this.#components.clock.after(ms, resolve);
    await Promise.race([Promise.all(this.#unconfirmed), late]);
    cancelTimer();
  }

  readonly deliver: Performer<'deliver'> = ({ to }, { capsule, state, raise, recovered }) => {
    const { peers, clock, outcomes, faults, log } = this.#components;
    const { id } = capsule;
    const debtor = this.#debtors.get(to) ?? this.#addDebtor(to);
    let sent = false;
    let cancelNote = (): void => {};
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const offer = async (): Promise<boolean> => {
      const message = outcomes.messageFor(to, state());
      if (message === undefined) return true;
      if (!(await trySend(this.#components, to, message))) return false;
      // It has it, as far as can be known here; for good when neither of the two has died in the meantime.
      if (!sent && isOwed(to, state()))
        cancelNote = clock.after(this.#graceMs, () => raise({ type: 'offered' }));
      sent = true;
      return true;
    };
    debtor.owed.set(id, offer);
    // Many found at a start are offered in rounds.
    if (recovered) this.#roundIn(0, debtor);
    else {
      const first = offer()
        .then((taken) => {
          faults.hit('result.sent');
          return taken ? over : undefined;
        })
        .catch((error: unknown) => log.error({ capsuleId: id, err: error }, 'An outcome was not offered'))
        .finally(() => this.#unconfirmed.delete(first));
      this.#unconfirmed.add(first);
      if (debtor.owed.size === 1) this.#roundLater(debtor);
    }
    const stopParting = parting({ peers, clock }, [to], this.#graceMs, (from) => {
      if (!sent) raise({ type: 'parted', from });
    });
    return () => {
      end();
      stopParting();
      cancelNote();
      debtor.owed.delete(id);
      if (debtor.owed.size > 0) return;
      debtor.cancelTimer();
      debtor.stopListening();
      if (this.#debtors.get(to) === debtor) this.#debtors.delete(to);
    };
  };

  #addDebtor(nodeId: string): Debtor {
    const debtor: Debtor = {
      owed: new Map(),
      pauseMs: FIRST_PAUSE_MS,
      cancelTimer: () => {},
      stopListening: () => {},
    };
    const connected = (): void => {
      debtor.pauseMs = FIRST_PAUSE_MS;
      this.#roundIn(0, debtor);
    };
    debtor.stopListening = this.#components.peers.listen(nodeId, { connected });
    this.#debtors.set(nodeId, debtor);
    return debtor;
  }

  #roundIn(ms: number, debtor: Debtor): void {
    debtor.cancelTimer();
    debtor.cancelTimer = this.#components.clock.after(ms, () => {
      this.#round(debtor).catch((error: unknown) =>
        this.#components.log.error({ err: error }, 'Outcomes could not be offered again'),
      );
    });
  }

  async #round(debtor: Debtor): Promise<void> {
    for (const [id, offer] of [...debtor.owed].slice(0, OFFERED_PER_ROUND)) {
      if (!debtor.owed.delete(id)) continue;
      debtor.owed.set(id, offer);
      if (!(await offer())) break;
    }
    if (debtor.owed.size > 0) this.#roundLater(debtor);
  }

  #roundLater(debtor: Debtor): void {
    this.#roundIn(debtor.pauseMs, debtor);
    debtor.pauseMs = Math.min(2 * debtor.pauseMs, LONGEST_PAUSE_MS);
  }
}

/** Whether this node is to pay for it, and the state does not say yet that it was sent. */
function isOwed(to: string, { submitter, life: { work } }: State): boolean {
  return to === submitter && work?.kind === 'delivering' && work.outcome.charge !== null && !work.offered;
}
