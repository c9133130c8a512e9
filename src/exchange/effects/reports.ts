import type { Logger } from 'pino';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ExchangeMessage, ExchangeMessageOf } from '../../../protocols/messages/v1/schema.ts';
import { nodeIdOf } from '../../capsule/identity.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Network } from '../../network/types.ts';
import type { EventLog } from '../event-log.ts';
import type { Lease } from '../machine/state.ts';
import { trySend } from '../try-send.ts';

/** Characters of streamed text kept of one run, for a receiver that missed some. */
const KEPT_CHARS = 262_144;

interface Components {
  clock: Clock;
  network: Network;
  events: EventLog;
  log: Logger;
  nodeId: string;
}

/** One run that others follow. */
interface Report {
  readonly epoch: number;
  /** Gets the text; null where that is this node. */
  readonly submitter: string | null;
  /** Gets signs of life; null where it is this node or the submitter. */
  readonly coordinator: string | null;
  /** The newest deltas; the first has the number `from`. */
  readonly deltas: string[];
  from: number;
  chars: number;
}

/** What a capability says while it runs. */
export interface Update {
  delta?: string;
  stage?: string;
}

/** Tells whoever waits for a run how it goes. A sign of life puts off that the work is given to another. */
export class Reports {
  readonly #components: Components;
  readonly #heartbeatMs: number;
  /** Bounded by the runs. */
  readonly #reports = new Map<string, Report>();

  constructor(components: Components, { heartbeatMs }: { heartbeatMs: number }) {
    this.#components = components;
    this.#heartbeatMs = heartbeatMs;
  }

  /** Sends signs of life until the result is called. */
  begin({ id }: Capsule, { epoch, coordinator }: Lease, submitter: string): () => void {
    const { nodeId, clock } = this.#components;
    const other = nodeIdOf(coordinator);
    const report: Report = {
      epoch,
      submitter: submitter === nodeId ? null : submitter,
      coordinator: other === nodeId || other === submitter ? null : other,
      deltas: [],
      from: 0,
      chars: 0,
    };
    this.#reports.set(id, report);
    let cancelBeat = (): void => {};
    const beat = (): void => {
      cancelBeat = clock.after(this.#heartbeatMs, () => {
        this.#send(id, report, {});
        beat();
      });
    };
    if (report.submitter !== null || report.coordinator !== null) beat();
    return () => {
      cancelBeat();
      // How much was said, so that a receiver knows whether it lacks the end.
      if (report.from + report.deltas.length > 0) this.#send(id, report, {});
      if (this.#reports.get(id) === report) this.#reports.delete(id);
    };
  }

  tell(capsuleId: string, update: Update): void {
    const report = this.#reports.get(capsuleId);
    if (report === undefined) return;
    const { epoch } = report;
    const numbered = update.delta === undefined ? {} : { number: report.from + report.deltas.length };
    this.#components.events.emit({ type: 'progress', capsuleId, epoch, ...update, ...numbered });
    if (update.delta !== undefined) keep(report, update.delta);
    this.#send(capsuleId, report, update);
  }

  /** The deltas from a number on, as far as they are kept, to the submitter who missed them. */
  repeat(to: string, { capsuleId, epoch, from }: ExchangeMessageOf<'capsule_progress_request'>): void {
    const report = this.#reports.get(capsuleId);
    if (report === undefined || report.epoch !== epoch || report.submitter !== to) return;
    const first = Math.max(from, report.from);
    for (let seq = first; seq < report.from + report.deltas.length; seq++) {
      const delta = report.deltas[seq - report.from] ?? '';
      void trySend(this.#components, to, { type: 'capsule_progress', capsuleId, epoch, seq, delta });
    }
  }

  #send(capsuleId: string, report: Report, { delta, stage }: Update): void {
    const { epoch, submitter, coordinator } = report;
    const said = report.from + report.deltas.length;
    const seq = delta === undefined ? said : said - 1;
    const head: ExchangeMessage = { type: 'capsule_progress', capsuleId, epoch, seq };
    const told = { ...head, ...(delta !== undefined && { delta }), ...(stage !== undefined && { stage }) };
    if (submitter !== null) void trySend(this.#components, submitter, told);
    if (coordinator !== null) void trySend(this.#components, coordinator, { ...head, seq: said });
  }
}

function keep(report: Report, delta: string): void {
  report.deltas.push(delta);
  report.chars += delta.length;
  while (report.chars > KEPT_CHARS && report.deltas.length > 1) {
    report.chars -= report.deltas.shift()?.length ?? 0;
    report.from++;
  }
}
