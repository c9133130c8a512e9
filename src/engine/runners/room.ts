import type { Logger } from 'pino';
import type { RunUse } from '../../../protocols/receipt/v1/schema.ts';
import { abortError } from '../../lib/abort.ts';
import type { Clock } from '../../lib/clock.ts';
import { MeshError } from '../../lib/errors.ts';
import type { Availability } from '../capability.ts';
import { asProbe } from './availability-answer.ts';
import { MAX_STRAYS } from './bounds.ts';
import type { Channel } from './channel.ts';
import { Deferred } from './deferred.ts';
import { type HostedApi, HostRun } from './host-run.ts';
import { type FromRoom, readFromRoom, type ToRoom, writeMessage } from './messages.ts';
import { brokeRules, RoomFailure } from './room-failure.ts';
import type { CallRequest, CodeInFolder, Namespace, ProbeRequest, Run, Scope } from './runner.ts';

/** For asking what a run took that is about to be killed. */
const MEASURE_MS = 20;

export interface RoomComponents {
  channel: Channel;
  clock: Pick<Clock, 'after'>;
  log: Pick<Logger, 'warn'>;
}

/** Durations in milliseconds. */
export interface RoomInit {
  /** Between a cancellation and the kill. */
  graceMs: number;
  /** For loading one module. */
  loadMs: number;
  /** Called once, when the room takes no more calls: it is gone, or will be when what runs in it has ended. */
  onRetired?: () => void;
}

/** What a room is to load. */
export interface RoomCode {
  id: string;
  codeHash: string;
  from: CodeInFolder;
}

interface Loading {
  readonly code: RoomCode;
  readonly loaded: Deferred<{ probe: boolean } | { error: unknown }>;
}

/** The node's side of a room: what goes in, what comes out of it, and its end. Whatever the code does, each run ends once. */
export class Room {
  readonly #components: RoomComponents;
  readonly #init: RoomInit;
  /** Asked for so far, by module. */
  readonly #modules = new Map<string, Loading>();
  readonly #runs = new Map<number, HostRun>();
  #lastRun = 0;
  #strays = 0;
  #spent = 0;
  #retired = false;
  /** Why it ended, or is being ended. */
  #end: MeshError | undefined;
  readonly #gone = new Deferred<void>();

  constructor(components: RoomComponents, init: RoomInit) {
    this.#components = components;
    this.#init = init;
    components.channel.listen({
      message: (text) => this.#receive(text),
      closed: (why) => this.#closed(why),
    });
  }

  /** Whether something of the module runs in it. */
  runs(module: string): boolean {
    return [...this.#runs.values()].some((run) => run.module === module);
  }

  /** Takes no more calls. */
  get retired(): boolean {
    return this.#retired;
  }

  /** When nothing of it runs any more. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Once per module, however often it is asked for. Throws what the room says of code that it cannot load. */
  async load(code: RoomCode): Promise<{ probe: boolean }> {
    const loading = this.#modules.get(code.id) ?? this.#load(code);
    const loaded = await loading.loaded.promise;
    if ('error' in loaded) throw loaded.error;
    return loaded;
  }

  /** Of a module that was loaded. */
  call(module: string, { intent, scope, signal }: CallRequest): Run<unknown> {
    return this.#begin(module, scope, signal, (run) => ({
      t: 'call',
      run,
      module,
      intent,
      facts: scope.facts(),
    }));
  }

  probe(module: string, { scope, signal }: ProbeRequest): Run<Availability> {
    const run = this.#begin(module, scope, signal, (id) => ({
      t: 'probe',
      run: id,
      module,
      facts: scope.facts(),
    }));
    return asProbe(run);
  }

  /** Ends it at once, and every run in it with `reason`. */
  kill(reason: MeshError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#retire();
    this.#components.channel.kill();
  }

  #load(code: RoomCode): Loading {
    const loading: Loading = { code, loaded: new Deferred() };
    this.#modules.set(code.id, loading);
    if (this.#end !== undefined) {
      loading.loaded.resolve({ error: this.#end });
      return loading;
    }
    const cancel = this.#components.clock.after(this.#init.loadMs, () =>
      this.kill(new MeshError('timeout', `The module ${code.id} could not be loaded in time.`)),
    );
    void loading.loaded.promise.then(cancel);
    this.#post({ t: 'load', module: code.id, codeHash: code.codeHash, code: code.from });
    return loading;
  }

  #begin(
    module: string,
    scope: Scope<HostedApi>,
    signal: AbortSignal,
    message: (run: number) => ToRoom,
  ): Run<unknown> {
    const id = ++this.#lastRun;
    const meter = this.#components.channel.meter?.(this.#spent);
    const touched = (namespace: Namespace): void => scope.touched?.(namespace);
    const post = (reply: ToRoom): void => this.#post(reply);
    const run = new HostRun({ id, module, api: scope.api, touched, post, meter });
    if (this.#end !== undefined) {
      run.end({ thrown: this.#end });
      run.leave();
      return run;
    }
    this.#runs.set(id, run);
    this.#post(message(id));
    const stopWatch = this.#watch(run, signal);
    void run.ended.then(stopWatch);
    return run;
  }

  /** Asks the code to stop when its signal aborts, and sees to it that it does. */
  #watch(run: HostRun, signal: AbortSignal): () => void {
    let cancelGrace = (): void => {};
    const onAbort = (): void => {
      const { code, message } = abortError(signal);
      this.#post({ t: 'cancel', run: run.id, error: { code, message } });
      cancelGrace = this.#components.clock.after(this.#init.graceMs, () => void this.#overdue(run, signal));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    return () => {
      cancelGrace();
      signal.removeEventListener('abort', onAbort);
    };
  }

  /** Code that did not stop. Where others run beside it and can go on, it is let run unheard until they are done. */
  async #overdue(run: HostRun, signal: AbortSignal): Promise<void> {
    const reason = abortError(signal);
    const alone = [...this.#runs.values()].every((other) => other === run || other.hasEnded);
    if (run.heard && !alone) {
      run.end({ thrown: reason });
      this.#retire();
      return;
    }
    run.end({ thrown: reason }, await this.#useOf(run));
    this.kill(blocked(run.module));
  }

  /** Not waited for for long: a thread may be blocked where nothing answers. */
  #useOf(run: HostRun): Promise<RunUse | null> {
    const { promise, resolve } = Promise.withResolvers<RunUse | null>();
    const cancel = this.#components.clock.after(MEASURE_MS, () => resolve(null));
    run.use().then(resolve, () => resolve(null));
    return promise.finally(cancel);
  }

  #post(message: ToRoom): void {
    if (this.#end === undefined) this.#components.channel.post(writeMessage(message));
  }

  #receive(text: string): void {
    if (this.#end !== undefined) return;
    try {
      const broken = this.#take(readFromRoom(text), text.length);
      if (broken !== undefined) this.#break(broken);
    } catch (error) {
      this.#break(
        `it sent a message that cannot be read (${error instanceof MeshError ? error.message : 'a fault'})`,
      );
    }
  }

  /** Gives the rule that was broken, if one was. */
  #take(message: FromRoom, chars: number): string | undefined {
    switch (message.t) {
      case 'ready':
        return this.#loaded(message.module, { probe: message.probe });
      case 'unfit':
        return this.#loaded(message.module, { error: new RoomFailure(message.failure) });
      case 'fault':
        this.#fault(message);
        return undefined;
      default:
        return this.#takeOfRun(message, chars);
    }
  }

  #takeOfRun(
    message: Exclude<FromRoom, { t: 'ready' | 'unfit' | 'fault' }>,
    chars: number,
  ): string | undefined {
    const run = this.#runs.get(message.run);
    if (run === undefined || (run.hasEnded && message.t !== 'end')) {
      if (message.run > this.#lastRun) return 'it spoke of a run that never was';
      return ++this.#strays > MAX_STRAYS ? 'it went on about runs that had ended' : undefined;
    }
    switch (message.t) {
      case 'heard':
        run.heard = true;
        return undefined;
      case 'note':
        return run.note(message.note);
      case 'request':
        return run.request(message, chars);
      case 'end': {
        const { use, spent = 0 } = message;
        this.#spent = spent;
        run.end(
          'value' in message ? { value: message.value } : { thrown: new RoomFailure(message.failure) },
          use,
        );
        this.#runs.delete(run.id);
        run.leave();
        this.#strays = 0;
        this.#endIfDone();
        return undefined;
      }
    }
  }

  #loaded(module: string, found: { probe: boolean } | { error: unknown }): string | undefined {
    const loading = this.#modules.get(module);
    if (loading === undefined) return 'it loaded what it was not asked for';
    loading.loaded.resolve(found);
    return undefined;
  }

  /** What was thrown where nobody could catch it has left the code in a state that nobody knows. */
  #fault({ run: id, failure }: FromRoom & { t: 'fault' }): void {
    const run = id === null ? undefined : this.#runs.get(id);
    const fields = { module: run?.module, type: failure.name, stack: failure.trace };
    this.#components.log.warn(fields, 'Code of a capability threw where nobody could catch it');
    run?.end({ thrown: crashed(run.module) });
    this.#retire();
  }

  #break(clause: string): void {
    const modules = [...new Set([...this.#runs.values()].map(({ module }) => module))];
    this.#components.log.warn({ modules, clause }, 'Code of a capability broke the rules of its room');
    this.kill(brokeRules(modules.join(', ') || [...this.#modules.keys()].join(', '), clause));
  }

  #retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    this.#init.onRetired?.();
    this.#endIfDone();
  }

  /** Nobody waits any more for what still runs in a room that is not used again. */
  #endIfDone(): void {
    if (!this.#retired || this.#end !== undefined) return;
    const left = [...this.#runs.values()];
    if (left.every(({ hasEnded }) => hasEnded)) this.kill(blocked(left[0]?.module ?? ''));
  }

  #closed(why: MeshError): void {
    const reason = this.#end ?? why;
    this.#end = reason;
    this.#retire();
    for (const { loaded } of this.#modules.values()) loaded.resolve({ error: reason });
    for (const run of this.#runs.values()) {
      run.end({ thrown: reason });
      run.leave();
    }
    this.#runs.clear();
    this.#gone.resolve();
  }
}

function blocked(module: string): MeshError {
  return new MeshError(
    'interrupted',
    `The room was closed, since code of the module ${module} did not stop.`,
  );
}

function crashed(module: string): MeshError {
  return new MeshError(
    'internal',
    `The code of the module ${module} threw an error that nothing in it caught.`,
  );
}
