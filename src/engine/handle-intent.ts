import type { Logger } from 'pino';
import type { ErrorBody } from '../../protocols/common/v1/errors.ts';
import { RECEIPT_VERSION, type Receipt, type RunUse } from '../../protocols/receipt/v1/schema.ts';
import { toMicro } from '../capsule/credits.ts';
import { abortError, follow, throwIfAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import type { Crypto } from '../lib/crypto.ts';
import { framesOf, MeshError } from '../lib/errors.ts';
import type { FaultPoints } from '../lib/fault-points.ts';
import type { Database } from '../store/types.ts';
import { type Admission, Place } from './admission.ts';
import type { AvailabilityMonitor } from './availability.ts';
import type { Intent } from './capability.ts';
import { describeFailure } from './failure.ts';
import { type ReadIntent, readIntent } from './intent.ts';
import type { LatencyTracker } from './latency.ts';
import type { ReceiptChain } from './receipt-chain.ts';
import type { Registry } from './registry.ts';
import { checkResult, type SoundResult } from './result.ts';
import type { Route, Router } from './router.ts';
import type { LoadedModule } from './runners/runner.ts';
import { IntentScope, type ScopeComponents } from './scoped-api.ts';
import type { ReceiptFacts } from './state-root.ts';
import { type RunTimes, TimeLimit, timeFor } from './time-limit.ts';
import type { HandleOptions, IntentRequest, Outcome } from './types.ts';

export interface IntentHandlerComponents {
  db: Database;
  crypto: Crypto;
  clock: Clock;
  log: Logger;
  faults: FaultPoints;
  registry: Pick<Registry, 'check'>;
  router: Router;
  availability: AvailabilityMonitor;
  admission: Admission;
  latency: LatencyTracker;
  chain: ReceiptChain;
  scope: ScopeComponents;
}

/** One intent on its way; what is known of it when it fails goes into the receipt. */
interface Run {
  readonly read: ReadIntent;
  readonly options: HandleOptions;
  readonly origin: string;
  readonly controller: AbortController;
  /** A handed over one, or one taken when the route is known. */
  place: Place | undefined;
  /** Set when the code begins; the place is its own until nothing of it runs any more. */
  begun: boolean;
  /** What the code took, when it has ended. */
  use: RunUse | null;
  startedAt: number | undefined;
  route: Route | undefined;
  scope: IntentScope | undefined;
  limit: TimeLimit | undefined;
}

type End = { result: SoundResult } | { error: ErrorBody };

/** The spine of execution (node "One way for a capsule"). Whatever happens, it ends in a signed receipt. */
export class IntentHandler {
  readonly #components: IntentHandlerComponents;
  readonly #init: RunTimes;
  readonly #running = new Set<Run>();
  readonly #ended = new MeshError('cancelled', 'The intent has ended.');
  #refusal: MeshError | undefined;

  constructor(components: IntentHandlerComponents, init: RunTimes) {
    this.#components = components;
    this.#init = init;
  }

  async handle(request: IntentRequest, options: HandleOptions = {}): Promise<Outcome> {
    const place = options.ticket instanceof Place ? options.ticket : undefined;
    try {
      // What no receipt can charge is the caller's mistake, and must not come up when the work is done.
      toMicro(options.price ?? 0);
    } catch (error) {
      place?.release();
      throw error;
    }
    const read = readIntent(request, this.#components.crypto);
    const controller = new AbortController();
    const { origin } = request;
    const run: Run = {
      read,
      options,
      origin,
      controller,
      place,
      begun: false,
      use: null,
      startedAt: undefined,
      route: undefined,
      scope: undefined,
      limit: undefined,
    };
    const release = follow(controller, options.signal);
    this.#running.add(run);
    try {
      const end = await this.#attempt(run).then(
        (result): End => ({ result }),
        (error: unknown): End => ({ error: this.#failure(run, error) }),
      );
      return await this.#conclude(run, end);
    } finally {
      release();
      if (!run.begun) run.place?.release();
      this.#running.delete(run);
      // Stops what the code left behind, such as a request that nobody waits for.
      controller.abort(this.#ended);
    }
  }

  /** From here on new intents fail with `reason`. */
  refuseWith(reason: MeshError): void {
    this.#refusal = reason;
  }

  /** Ends everything that runs with `reason`; the outcomes arrive as ever. */
  abortAll(reason: MeshError): void {
    for (const { controller } of this.#running) controller.abort(reason);
  }

  /** Validate, resolve, integrity, scoped API, run: each step refuses by throwing. */
  async #attempt(run: Run): Promise<SoundResult> {
    const { registry, router, availability, admission, scope, crypto, faults } = this.#components;
    const { signal } = run.controller;
    const { intent } = run.read;
    if (intent instanceof MeshError) throw intent;
    if (this.#refusal !== undefined) throw this.#refusal;
    const route = router.resolve(intent.capability, intent.action);
    run.route = route;
    const checking = registry.check(route.module);
    // A place is taken in the turn of the call.
    if (checking !== undefined) await checking;
    const code = runnableCode(route);
    availability.assertOffered(route.requested.spec.id);
    availability.assertOffered(route.target.spec.id);
    const mismatch = route.target.checkInput(intent.payload);
    if (mismatch !== null) throw new MeshError('invalid_payload', `The payload does not fit: ${mismatch}.`);
    const onProgress: HandleOptions['onProgress'] = (update) => {
      run.limit?.hear();
      run.options.onProgress?.(update);
    };
    run.scope = new IntentScope(scope, { ...route, signal, origin: run.origin, raw: intent.raw, onProgress });
    faults.hit('intent.accepted');
    const place = this.#placeFor(run, route);
    const onYield = (): void =>
      run.controller.abort(new MeshError('busy', 'This node needed the place for its own work.'));
    const { idempotent } = route.target.spec;
    await place.work.start({
      lane: admission.laneOf(route.target),
      ...(code.slots && { shared: code.slots }),
      signal,
      ...(idempotent && { onYield }),
    });
    const value = await this.#execute(run, route, code, intent);
    faults.hit('intent.executed');
    return checkResult(value, route.target, crypto);
  }

  #placeFor(run: Run, route: Route): Place {
    run.place ??= placeOrThrow(this.#components.admission.admit(route.target, run.origin));
    return run.place;
  }

  /** Runs the code until it ends: by itself, or with its grace after its time is over or somebody cancels. */
  async #execute(run: Run, route: Route, code: LoadedModule, intent: Intent): Promise<unknown> {
    const { clock } = this.#components;
    const { controller, options, scope, place } = run;
    throwIfAborted(controller.signal);
    if (scope === undefined || place === undefined) throw new TypeError('An intent runs within its scope.');
    const { standing } = place;
    const time = timeFor(this.#init, { ...route.target.spec, standing, timeoutMs: options.timeoutMs });
    const limit = new TimeLimit(clock, time, (reason) => controller.abort(reason));
    run.limit = limit;
    const began = clock.monotonic();
    run.startedAt = place.now();
    try {
      run.begun = true;
      const { ended, gone } = code.call({ intent, scope, signal: controller.signal });
      // Code that cannot be stopped keeps its slot, or it would run beside as many others again.
      void gone.then(() => place.release());
      const end = await ended;
      run.use = end.use;
      if ('thrown' in end) throw end.thrown;
      // An answer that comes when it is too late is none.
      throwIfAborted(controller.signal);
      this.#measure(route, began);
      return end.value;
    } catch (error) {
      // A refusal is quick and a cancellation says nothing; not being done in time does.
      if (limit.over) this.#measure(route, began);
      throw error;
    } finally {
      limit.stop();
    }
  }

  #measure(route: Route, began: number): void {
    const { clock, latency } = this.#components;
    latency.record(route.target.spec.id, (clock.monotonic() - began) / 1000);
  }

  /** Receipt, state root and whatever the caller adds, in one batch; resolves when that is durable. */
  async #conclude(run: Run, end: End): Promise<Outcome> {
    const { db, chain, faults } = this.#components;
    const { scope, options } = run;
    try {
      const tx = db.transaction();
      const storage = 'result' in end ? (scope?.applyWrites(tx) ?? null) : null;
      const { sequence, entry } = chain.append(tx, this.#facts(run, end), storage);
      const outcome: Outcome =
        'result' in end
          ? { status: 'completed', result: end.result.value, receipt: entry.receipt, sequence }
          : { status: 'failed', error: end.error, receipt: entry.receipt, sequence };
      options.commit?.(outcome, tx);
      faults.hit('intent.concluded');
      const durable = tx.commit({ done: true });
      // Committed writes are visible at once: the next intent may have the storage while these are synced.
      scope?.close();
      await durable;
      chain.confirm(sequence, entry);
      faults.hit('intent.durable');
      return outcome;
    } finally {
      scope?.close();
    }
  }

  #facts(run: Run, end: End): ReceiptFacts {
    const { clock, scope } = this.#components;
    const { read, options, route, place } = run;
    const finishedAt = place?.now() ?? clock.now();
    return {
      version: RECEIPT_VERSION,
      capsuleId: options.capsuleId ?? null,
      identity: scope.identity,
      capabilityId: read.capabilityId,
      codeHash: route?.module.codeHash ?? null,
      action: read.action,
      inputHash: read.inputHash,
      resultHash: 'result' in end ? end.result.hash : null,
      status: 'result' in end ? 'completed' : 'failed',
      error: 'error' in end ? { code: end.error.code, message: end.error.message } : null,
      lease: options.lease ?? null,
      epoch: options.epoch ?? null,
      charge: 'result' in end && options.price ? options.price : null,
      execution: executionOf(run),
      permissionsDeclared: route?.module.manifest.permissions ?? [],
      permissionsUsed: run.scope?.permissions.recorded() ?? [],
      startedAt: run.startedAt ?? finishedAt,
      finishedAt,
    };
  }

  #failure(run: Run, thrown: unknown): ErrorBody {
    const { signal } = run.controller;
    // Aborted code fails in ways of its own; what ended it is the reason.
    const begun = run.begun && run.route?.target.spec.idempotent === false;
    const error = describeFailure(signal.aborted ? abortError(signal) : thrown, begun);
    const { capabilityId } = run.read;
    const fields = { capabilityId, capsuleId: run.options.capsuleId, code: error.code };
    if (error.code === 'internal') {
      const { log } = this.#components;
      const place = thrown instanceof Error ? { type: thrown.name, stack: framesOf(thrown) } : {};
      log.warn({ ...fields, ...place }, 'A capability failed');
      // What it says itself may quote what it was working on.
      log.trace({ ...fields, err: thrown }, 'What the capability threw');
    } else this.#components.log.debug(fields, 'An intent failed');
    return error;
  }
}

function placeOrThrow(admitted: Place | ErrorBody): Place {
  if (admitted instanceof Place) return admitted;
  throw new MeshError(admitted.code, admitted.message);
}

/** What the receipt says of the work: the model's part by the capability, what it took by the node. */
function executionOf({ scope, use }: Run): Receipt['execution'] {
  const model = scope?.execution ?? null;
  if (use === null) return model;
  return { ...model, use };
}

/** A mismatch of the code hash puts a module in safe mode: nothing of it runs. */
function runnableCode({ module }: Route): LoadedModule {
  if (module.code !== undefined && module.state !== 'safe_mode') return module.code;
  if (module.state === 'unavailable') {
    const sentence = module.reason ?? 'It is not there now.';
    throw new MeshError(
      'capability_unavailable',
      `The module ${module.manifest.id} is not available. ${sentence}`,
    );
  }
  throw new MeshError(
    'integrity_lock',
    module.reason ?? `The code of the module ${module.manifest.id} is not trusted.`,
  );
}
