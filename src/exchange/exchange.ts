import type { ExchangeMessage } from '../../protocols/messages/v1/schema.ts';
import { nodeIdOf } from '../capsule/identity.ts';
import { MeshError } from '../lib/errors.ts';
import type { Startable } from '../lib/lifecycle.ts';
import type { Decision } from '../market/types.ts';
import { Census } from './census.ts';
import type { ExchangeComponents, ExchangeInit } from './components.ts';
import { Announcer } from './effects/announcer.ts';
import { Batch } from './effects/batch.ts';
import { Chooser } from './effects/choose.ts';
import { Deliveries } from './effects/deliver.ts';
import { askPerformer, cancelPerformer, timerPerformer, watchPerformer } from './effects/follow.ts';
import { Line, waitPerformer } from './effects/line.ts';
import { orderPerformer } from './effects/order.ts';
import { Outcomes } from './effects/outcomes.ts';
import { Peers } from './effects/peers.ts';
import { Replies } from './effects/replies.ts';
import { Reports } from './effects/reports.ts';
import { Runs } from './effects/run.ts';
import { Tickets } from './effects/tickets.ts';
import { EventLog } from './event-log.ts';
import { Admission } from './inbound/admission.ts';
import { Announcements } from './inbound/announcements.ts';
import { Answers } from './inbound/answers.ts';
import { Cancels } from './inbound/cancels.ts';
import { Orders } from './inbound/order.ts';
import { Progress } from './inbound/progress.ts';
import { Results } from './inbound/result.ts';
import { Calls } from './inbound/submit.ts';
import type { State } from './machine/state.ts';
import { Reconciler, type SharedEntry } from './reconciler.ts';
import { Runtime } from './runtime.ts';
import { Stepper } from './stepper.ts';
import type {
  CapsuleService,
  CapsuleView,
  EventPiece,
  EventRange,
  MeshEvent,
  SubmitOptions,
} from './types.ts';

/** How long a stopping node lets its work finish; what is left is taken up at the next start. */
const DRAIN_MS = 5_000;
/** How long it then waits until their receivers have their outcomes. */
const FLUSH_MS = 2_000;

/**
 * The spine (node "One way for a capsule"). This file joins its parts and hands each message to the one it is for.
 * Calls and messages come in by `inbound/`, become events of the pure `machine/`, which `runtime.ts` steps and stores;
 * what the new state asks for is performed by `effects/`.
 */
export class Exchange implements CapsuleService, Startable {
  readonly #components: ExchangeComponents;
  readonly #events: EventLog;
  readonly #peers: Peers;
  readonly #line: Line;
  readonly #announcer: Announcer;
  readonly #reports: Reports;
  readonly #runs: Runs;
  readonly #runtime: Runtime;
  readonly #census: Census;
  readonly #calls: Calls;
  readonly #orders: Orders;
  readonly #results: Results;
  readonly #answers: Answers;
  readonly #progress: Progress;
  readonly #announcements: Announcements;
  readonly #reconciler: Reconciler;
  readonly #deliveries: Deliveries;
  #ends: (() => void)[] = [];
  #deafen: () => void = () => {};

  constructor(components: ExchangeComponents, init: ExchangeInit) {
    this.#components = components;
    const nodeId = nodeIdOf(components.signer.identity);
    const events = new EventLog(components);
    const peers = new Peers(components);
    const tickets = new Tickets();
    const census = new Census(init);
    const outcomes = new Outcomes(components);
    const replies = new Replies({ ...components, outcomes });
    const line = new Line(components);
    const announcer = new Announcer(components, init);
    const reports = new Reports({ ...components, events, nodeId }, init);
    const runs = new Runs({ ...components, peers, tickets, reports }, init);
    const following = { ...components, peers };
    const deliveries = new Deliveries({ ...following, outcomes }, init);
    const performers = {
      order: orderPerformer(components, init),
      watch: watchPerformer(following, init),
      ask: askPerformer(following),
      cancel: cancelPerformer(following),
      timer: timerPerformer(following),
      wait: waitPerformer({ line, announcer }),
      deliver: deliveries.deliver,
      run: runs.run,
      stop: runs.stop,
    };
    const chooser = new Chooser({ ...components, tickets });
    const stepper = new Stepper({ ...components, chooser }, init);
    const batch = new Batch(components);
    const runtime = new Runtime({ ...components, events, stepper, batch, census, replies, performers }, init);
    const cancels = new Cancels();
    const admission = new Admission({ ...components, census, tickets });
    this.#calls = new Calls({ ...components, runtime, census });
    this.#orders = new Orders({ ...components, runtime, admission, replies, tickets, cancels, runs });
    this.#results = new Results({ ...components, runtime, replies });
    this.#answers = new Answers({ ...components, runtime, results: this.#results, replies, cancels, peers });
    this.#progress = new Progress({ ...components, answers: this.#answers, events });
    this.#announcements = new Announcements(components);
    this.#reconciler = new Reconciler(components);
    this.#events = events;
    this.#peers = peers;
    this.#line = line;
    this.#announcer = announcer;
    this.#reports = reports;
    this.#runs = runs;
    this.#runtime = runtime;
    this.#deliveries = deliveries;
    this.#census = census;
  }

  /** Takes up what an earlier life of this node left unfinished, and only then anything new. */
  async start(): Promise<void> {
    if (this.#ends.length > 0) return;
    const { network, engine, changes, log } = this.#components;
    this.#peers.start();
    this.#line.start();
    const resumed = await this.#runtime.start(this.#mayRepeat);
    if (resumed > 0) log.info({ resumed }, 'Took up unfinished capsules');
    this.#announcements.start();
    this.#ends = [
      changes.onChanged((capability) => this.#line.changed(capability)),
      engine.onOffersChanged(() => this.#line.changed()),
      engine.onRoom(() => this.#line.changed()),
    ];
    this.#deafen = network.onMessage(this.#onMessage);
  }

  /** Takes nothing more on, lets what runs here finish for a while, and leaves the rest to the next start. */
  async stop(): Promise<void> {
    if (this.#ends.length === 0) return;
    // Acknowledgements and cancels are still heard, orders declined.
    const deafen = this.#deafen;
    for (const end of this.#ends.splice(0)) end();
    this.#announcements.stop();
    this.#line.stop();
    await this.#runs.drain(DRAIN_MS);
    await this.#deliveries.flush(FLUSH_MS);
    deafen();
    this.#runtime.stop();
    this.#census.clear();
    this.#peers.stop();
  }

  async submit(capsule: unknown, options?: SubmitOptions): Promise<{ id: string }> {
    if (this.#ends.length === 0) throw new MeshError('interrupted', 'The node is not running.');
    return this.#calls.submit(capsule, options);
  }

  cancel(id: string): Promise<void> {
    return this.#calls.cancel(id);
  }

  async view(id: string): Promise<CapsuleView | undefined> {
    const state = this.#runtime.state(id);
    const capsule = this.#runtime.capsule(id);
    if (state === undefined || capsule === undefined) return undefined;
    const stored = this.#components.capsules.result(id);
    const { life, ...record } = state;
    const phase = life.care?.phase;
    return {
      id,
      status: state.status,
      executor: state.executor,
      result: state.status === 'completed' ? (stored?.result ?? null) : null,
      error: state.error,
      receipt: stored?.receipt ?? null,
      children: state.steps.flatMap(({ child }) => child ?? []),
      waiting:
        phase?.kind === 'waiting' ? { reason: phase.error, until: phase.until, again: phase.again } : null,
      only: life.care?.only ?? null,
      record,
      capsule,
    };
  }

  /** Why it goes where it goes; of what has ended, why it went. */
  explain(id: string): Decision[] {
    const stored = this.#runtime.state(id)?.life.decisions ?? [];
    return stored.length > 0 ? stored : (this.#runtime.decisions(id) ?? []);
  }

  follow(listener: (event: MeshEvent) => void, options?: { capsuleId?: string }): () => void {
    return this.#events.follow(listener, options);
  }

  eventsAfter(range: EventRange): EventPiece {
    return this.#events.after(range);
  }

  get newestEvent(): number {
    return this.#events.newest;
  }

  /** The other node's entries between the two, for `credits reconcile`. */
  ledgerEntriesOf(nodeId: string, options: { signal?: AbortSignal } = {}): AsyncIterable<SharedEntry[]> {
    return this.#reconciler.entriesOf(nodeId, options.signal);
  }

  /** Whether a run that was found interrupted may be done again: what is offered now decides. */
  readonly #mayRepeat = ({ requestedCapability }: State): boolean =>
    this.#components.engine.offer(requestedCapability)?.idempotent === true;

  readonly #onMessage = async (from: string, message: ExchangeMessage): Promise<void> => {
    this.#components.health.heardOf(from);
    await this.#handle(from, message);
  };

  /** Every message the stream carries, and who it is for. */
  async #handle(from: string, message: ExchangeMessage): Promise<void> {
    switch (message.type) {
      case 'capsule_data':
        return this.#orders.onOrder(from, message);
      case 'capsule_accept':
        return this.#answers.onAccept(from, message);
      case 'capsule_decline':
        return this.#answers.onDecline(from, message);
      case 'capsule_progress':
        return this.#progress.onProgress(from, message);
      case 'capsule_progress_request':
        return this.#reports.repeat(from, message);
      case 'capsule_result':
        this.#progress.onEnd(from, message);
        return this.#results.onResult(from, message);
      case 'capsule_settlement':
        return this.#results.onSettlement(from, message);
      case 'capsule_cancel':
        return this.#answers.onCancel(from, message);
      case 'capsule_result_request':
        return this.#answers.onResultRequest(from, message);
      case 'capsule_request':
        if (message.bid !== undefined) this.#announcer.onBid(from, message.capsuleIds, message.bid);
        return;
      case 'capability_query':
        return this.#components.market.handleQuery(from, message);
      case 'capability_advertisement':
        return this.#components.market.handleAdvertisement(from, message);
      case 'ledger_query':
        return this.#reconciler.onQuery(from, message);
      case 'ledger_entries':
        return this.#reconciler.onEntries(from, message);
    }
  }
}
