import type { Assignment } from '../../protocols/assignment/v1/schema.ts';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import type { ExchangeComponents } from './components.ts';
import type { EventLog } from './event-log.ts';
import { trySend } from './try-send.ts';

/** What a capability says while it runs; nothing at all is a heartbeat. */
export interface Update {
  delta?: string;
  stage?: string;
}

/** One execution on this node. */
export interface Run {
  readonly capsule: Capsule;
  readonly assignment: Assignment;
  readonly abort: AbortController;
  /** Number of the next report. */
  sequence: number;
  /** Its outcome is staged: durable soon, and then on its way. */
  concluded: boolean;
}

type Components = Pick<ExchangeComponents, 'clock' | 'network' | 'log'> & {
  events: EventLog;
  nodeId: string;
};

/** Tells the nodes that wait for an execution how it goes. Their leases live by it (protocol "Assignment"). */
export class Reports {
  readonly #components: Components;
  readonly #heartbeatMs: number;

  constructor(components: Components, { heartbeatMs }: { heartbeatMs: number }) {
    this.#components = components;
    this.#heartbeatMs = heartbeatMs;
  }

  /** Sends heartbeats until the result is called. */
  follow(run: Run): () => void {
    if (this.#listeners(run).length === 0) return () => {};
    let cancel = () => {};
    const beat = (): void => {
      cancel = this.#components.clock.after(this.#heartbeatMs, () => {
        this.#send(run, {});
        beat();
      });
    };
    beat();
    return () => cancel();
  }

  tell(run: Run, update: Update): void {
    this.#components.events.emit({ type: 'progress', capsuleId: run.capsule.id, ...update });
    this.#send(run, update);
  }

  #listeners({ assignment }: Run): string[] {
    const nodes = new Set([nodeIdOf(assignment.coordinator), assignment.replyTo]);
    nodes.delete(this.#components.nodeId);
    return [...nodes];
  }

  #send(run: Run, update: Update): void {
    const { id: capsuleId } = run.capsule;
    const { assignment } = run;
    const sequence = run.sequence++;
    const report = { exchangeId: capsuleId.slice(0, 16), capsuleId, epoch: assignment.epoch, seq: sequence };
    for (const to of this.#listeners(run)) {
      // Who did not grant the lease needs its proof; repeated now and then, since it may have been away.
      const unknown = to !== nodeIdOf(assignment.coordinator);
      const proof = unknown && (sequence === 0 || update.delta === undefined) ? { assignment } : {};
      void trySend(this.#components, to, { type: 'capsule_progress', ...report, ...update, ...proof });
    }
  }
}
