import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Lane, Party, Ticket as QueueTicket, Standing, WorkQueue } from '../lib/queue.ts';
import type { EngineCapability } from './module.ts';
import type { Ticket } from './types.ts';

export interface AdmissionComponents {
  queue: WorkQueue;
  clock: Pick<Clock, 'now' | 'monotonic'>;
  standing: (identity: string) => Standing;
  /** What runs at once of a capability; as its manifest says unless told. */
  concurrencyOf?: (capability: EngineCapability) => number;
}

/** Who may have a place in the queue now. */
export class Admission {
  readonly #components: AdmissionComponents;

  constructor(components: AdmissionComponents) {
    this.#components = components;
  }

  hasRoom(capability: EngineCapability, origin: string): boolean {
    return this.#components.queue.hasRoom(this.laneOf(capability), this.#party(origin));
  }

  admit(capability: EngineCapability, origin: string): Place | ErrorBody {
    const { queue, clock } = this.#components;
    const party = this.#party(origin);
    const work = queue.admit(this.laneOf(capability), party);
    return work === undefined ? full(capability, party) : new Place(work, clock);
  }

  /** Work waits in line with its own capability's. */
  laneOf(capability: EngineCapability): Lane {
    const { concurrencyOf } = this.#components;
    return {
      key: capability.spec.id,
      concurrency: concurrencyOf?.(capability) ?? capability.spec.maxConcurrent,
    };
  }

  #party(origin: string): Party {
    return { key: origin, standing: this.#components.standing(origin) };
  }
}

/**
 * A place in the queue, and the moment from which its intent's times are counted: the wall clock may be set back
 * while it waits or runs, and a receipt must still lie within its lease.
 */
export class Place implements Ticket {
  readonly work: QueueTicket;
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly #admittedAt: number;
  readonly #admitted: number;

  constructor(work: QueueTicket, clock: Pick<Clock, 'now' | 'monotonic'>) {
    this.work = work;
    this.#clock = clock;
    this.#admittedAt = clock.now();
    this.#admitted = clock.monotonic();
  }

  get standing(): Standing {
    return this.work.party.standing;
  }

  /** ms since the epoch. */
  now(): number {
    return this.#admittedAt + Math.floor(this.#clock.monotonic() - this.#admitted);
  }

  release(): void {
    this.work.release();
  }
}

function full({ spec }: EngineCapability, { standing }: Party): ErrorBody {
  const whose = standing === 'own' ? '' : ' for now, or all that you may have are taken';
  return { code: 'busy', message: `All places for ${spec.id} are taken${whose}; try again later.` };
}
