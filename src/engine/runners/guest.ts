import { AsyncLocalStorage } from 'node:async_hooks';
import { framesOf, MeshError } from '../../lib/errors.ts';
import { deepFreeze } from '../../lib/json.ts';
import type { CapabilityApi, CapabilityModule } from '../capability.ts';
import { describeFailure } from '../failure.ts';
import { resultProblem } from '../result.ts';
import { MAX_MESSAGE_CHARS, MAX_TRACE_CHARS } from './bounds.ts';
import { GuestApi, probeApi } from './guest-api.ts';
import { GuestRun } from './guest-run.ts';
import type { EndMessage, Failure, FromRoom, ToRoom } from './messages.ts';

/** Of an error's name, in the operator's log. */
const MAX_NAME_CHARS = 128;

type Measured = Pick<EndMessage, 'use' | 'spent'>;

/** Loads nothing but this, so that a room is small: no validator, no logger. */
export interface GuestComponents {
  /** To the node. */
  post: (text: string) => void;
  /** Throws where the code cannot be used. */
  load: (order: ToRoom & { t: 'load' }) => Promise<CapabilityModule>;
  /** What the room has taken up to now. */
  use?: () => { cpuMs: number; memoryBytes: number };
  /** What code gets of a run, unless told. */
  api?: (run: GuestRun) => CapabilityApi;
}

/** The room's side of the wall: loads modules, calls them, and gives each call the API over messages. */
export class Guest {
  readonly #components: GuestComponents;
  readonly #modules = new Map<string, CapabilityModule>();
  readonly #runs = new Map<number, GuestRun>();
  /** Whose code it is that runs now, so that what nobody caught has an owner. */
  readonly #current = new AsyncLocalStorage<number>();

  constructor(components: GuestComponents) {
    this.#components = components;
  }

  /** One message of the node's. */
  receive(text: string): void {
    const message: ToRoom = JSON.parse(text);
    switch (message.t) {
      case 'load':
        void this.#load(message);
        return;
      case 'call':
      case 'probe':
        void this.#run(message);
        return;
      case 'cancel':
        this.#post({ t: 'heard', run: message.run });
        this.#of(message.run, (run) => run.cancel(message.error));
        return;
      case 'reply':
        this.#of(message.run, (run) => run.reply(message));
        return;
      case 'delta':
        this.#of(message.run, (run) => run.delta(message));
        return;
      case 'credit':
        this.#of(message.run, (run) => run.credit(message.notes));
    }
  }

  /** For the process's events of what nobody caught. */
  fault(error: unknown): void {
    this.#post({ t: 'fault', run: this.#current.getStore() ?? null, failure: failureOf(error) });
  }

  #of(id: number, act: (run: GuestRun) => void): void {
    const run = this.#runs.get(id);
    if (run !== undefined) this.#current.run(id, () => act(run));
  }

  #post(message: FromRoom): void {
    this.#components.post(JSON.stringify(message));
  }

  async #load(order: ToRoom & { t: 'load' }): Promise<void> {
    const { module } = order;
    try {
      const code = await this.#components.load(order);
      this.#modules.set(module, code);
      this.#post({ t: 'ready', module, probe: code.probe !== undefined });
    } catch (error) {
      this.#post({ t: 'unfit', module, failure: failureOf(error) });
    }
  }

  async #run(order: ToRoom & { t: 'call' | 'probe' }): Promise<void> {
    const id = order.run;
    const run = new GuestRun(id, deepFreeze(order.facts), this.#components.post);
    this.#runs.set(id, run);
    const meter = this.#meter(run);
    const ended = await this.#current
      .run(id, () => this.#execute(order, run))
      .then(
        (value) => ({ value }),
        (error: unknown) => ({ failure: failureOf(error) }),
      );
    await run.stop();
    this.#runs.delete(id);
    this.#end(id, ended, meter());
  }

  async #execute(order: ToRoom & { t: 'call' | 'probe' }, run: GuestRun): Promise<unknown> {
    const code = this.#modules.get(order.module);
    if (code === undefined) throw new MeshError('internal', `The module ${order.module} is not loaded.`);
    const value = await (order.t === 'probe'
      ? code.probe?.(probeApi(run))
      : code.run(deepFreeze(order.intent), this.#components.api?.(run) ?? new GuestApi(run)));
    // Before it is written as JSON, which would leave out or change what is none.
    const problem = resultProblem(value);
    if (problem !== null) throw problem;
    return value;
  }

  #end(run: number, ended: { value: unknown } | { failure: Failure }, measured: Measured): void {
    const text = JSON.stringify({ t: 'end', run, ...ended, ...measured });
    if (text.length <= MAX_MESSAGE_CHARS) return this.#components.post(text);
    const failure = failureOf(new MeshError('too_large', 'The result is too large.'));
    this.#post({ t: 'end', run, failure, ...measured });
  }

  /** Processor time is told only of runs that had the room to themselves: of others it cannot be told apart. */
  #meter(run: GuestRun): () => Measured {
    const { use } = this.#components;
    if (use === undefined) return () => ({ use: null });
    if (this.#runs.size > 1) for (const each of this.#runs.values()) each.shared = true;
    const before = use();
    return () => {
      const after = use();
      return {
        use: {
          cpuMs: run.shared ? null : Math.round((after.cpuMs - before.cpuMs) * 1_000) / 1_000,
          peakMemoryBytes: Math.max(before.memoryBytes, after.memoryBytes),
        },
        spent: after.cpuMs,
      };
    };
  }
}

function failureOf(error: unknown): Failure {
  const described = describeFailure(error);
  if (!(error instanceof Error)) return described;
  const trace = `${error.message}\n${framesOf(error)}`.slice(0, MAX_TRACE_CHARS);
  return { ...described, name: String(error.name).slice(0, MAX_NAME_CHARS), trace };
}
