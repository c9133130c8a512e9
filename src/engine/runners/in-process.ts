import { abortError, throwIfAborted } from '../../lib/abort.ts';
import { MeshError } from '../../lib/errors.ts';
import type { Availability, CapabilityModule } from '../capability.ts';
import { asProbe } from './availability-answer.ts';
import { Deferred } from './deferred.ts';
import type { CallRequest, LoadedModule, ModuleCode, ProbeRequest, Run, RunEnd, Runner } from './runner.ts';

/**
 * Code in the node's own process: for modules that the program which embeds the node brings along. Nothing bounds such
 * code: it is asked to stop, and where it does not, it goes on unheard.
 */
export class InProcessRunner implements Runner {
  readonly kind = 'in_process';
  readonly #modules = new Set<InProcessModule>();
  readonly #load: (code: ModuleCode) => Promise<CapabilityModule>;

  /** `load` imports what lies in a folder. */
  constructor(load: (code: ModuleCode) => Promise<CapabilityModule> = ownCode) {
    this.#load = load;
  }

  async start(code: ModuleCode): Promise<LoadedModule> {
    const module = new InProcessModule('module' in code.from ? code.from.module : await this.#load(code));
    this.#modules.add(module);
    return module;
  }

  async stop(): Promise<void> {
    const reason = new MeshError('interrupted', 'The node stopped before the work was done.');
    for (const module of this.#modules) module.kill(reason);
  }
}

async function ownCode({ id, from }: ModuleCode): Promise<CapabilityModule> {
  if ('module' in from) return from.module;
  throw new MeshError('config_invalid', `The module ${id} cannot be run in the node's own process.`);
}

class InProcessModule implements LoadedModule {
  readonly hasProbe: boolean;
  readonly slots = null;
  readonly closed = null;
  readonly #code: CapabilityModule;
  readonly #kills = new Set<AbortController>();

  constructor(code: CapabilityModule) {
    this.#code = code;
    this.hasProbe = code.probe !== undefined;
  }

  call({ intent, scope, signal }: CallRequest): Run<unknown> {
    return this.#run(signal, () => this.#code.run(intent, scope.api));
  }

  probe({ scope, signal }: ProbeRequest): Run<Availability> {
    const { config, granted } = scope.facts();
    const api = {
      models: scope.api.models,
      config,
      signal,
      granted: (permission: string) => granted.includes(permission),
    };
    return asProbe(this.#run(signal, async () => this.#code.probe?.(api)));
  }

  kill(reason: MeshError): void {
    for (const controller of this.#kills) controller.abort(reason);
  }

  #run(signal: AbortSignal, work: () => Promise<unknown>): Run<unknown> {
    const killed = new AbortController();
    const ended = new Deferred<RunEnd<unknown>>();
    const end = (result: { value: unknown } | { thrown: unknown }): void =>
      ended.resolve({ ...result, use: null });
    const onAbort = (): void => end({ thrown: abortError(signal.aborted ? signal : killed.signal) });
    for (const each of [signal, killed.signal]) each.addEventListener('abort', onAbort, { once: true });
    this.#kills.add(killed);
    const gone = (async () => {
      throwIfAborted(signal);
      return work();
    })()
      .then(
        (value) => end({ value }),
        (thrown: unknown) => end({ thrown: signal.aborted ? abortError(signal) : thrown }),
      )
      .finally(() => {
        this.#kills.delete(killed);
        signal.removeEventListener('abort', onAbort);
      });
    return { ended: ended.promise, gone };
  }
}
