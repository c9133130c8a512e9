import type { Logger } from 'pino';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { Clock } from '../lib/clock.ts';
import { MeshError } from '../lib/errors.ts';
import { canonicalJson, deepFreeze } from '../lib/json.ts';
import type { Startable } from '../lib/lifecycle.ts';
import type { Availability } from './capability.ts';
import { describeFailure } from './failure.ts';
import type { EngineCapability, EngineModule } from './module.ts';
import { PermissionUse } from './permission-use.ts';
import type { PermissionBook } from './permissions.ts';
import type { Registry } from './registry.ts';
import type { LoadedModule } from './runners/runner.ts';
import { factsOf } from './scoped-api.ts';
import { type ModelsPort, scopedModels } from './scoped-models.ts';

/** Canonical bytes of what an advertisement says about one capability. */
const MAX_DETAIL_BYTES = 4_096;

export interface AvailabilityComponents {
  registry: Pick<Registry, 'modules' | 'moduleOf' | 'check'>;
  permissions: PermissionBook;
  models: ModelsPort | undefined;
  clock: Clock;
  log: Logger;
}

export interface AvailabilityInit {
  probeIntervalMs: number;
  /** A probe that takes longer counts as failed. */
  probeTimeoutMs: number;
  onChange: () => void;
}

/** What a probe said of one capability. */
export interface Offered {
  estimatedLatency?: number;
  detail?: JsonObject;
  /** Not for others than the node itself. */
  ownOnly?: boolean;
  /** In place of the manifest's. */
  maxConcurrent?: number;
}

const OFFERED: Offered = Object.freeze({});

/** Asks the modules that depend on something outside what of theirs can be offered now (capability.ts `probe`). */
export class AvailabilityMonitor implements Startable {
  readonly #components: AvailabilityComponents;
  readonly #init: AvailabilityInit;
  /** Per probed module, what is on offer by capability id. */
  readonly #offered = new Map<EngineModule, ReadonlyMap<string, Offered>>();
  /** Probes that have not ended, also where nobody waits for them any more: no second one runs beside them. */
  readonly #probing = new Set<EngineModule>();
  #controller: AbortController | undefined;
  #probed = false;
  #round: Promise<void> = Promise.resolve();
  #cancelTimer = (): void => {};

  constructor(components: AvailabilityComponents, init: AvailabilityInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Resolves after the first round, so that a node does not begin by offering what it does not have. */
  async start(): Promise<void> {
    if (this.#controller !== undefined) return;
    this.#controller = new AbortController();
    await this.refresh();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#cancelTimer();
    this.#controller?.abort(new MeshError('cancelled', 'The node is stopping.'));
    this.#controller = undefined;
    await this.#round;
  }

  /** Undefined where the capability is not on offer now. */
  offered(capabilityId: string): Offered | undefined {
    const module = this.#components.registry.moduleOf(capabilityId);
    if (module === undefined || module.state !== 'ready') return undefined;
    const { code } = module;
    if (code === undefined || code.closed !== null) return undefined;
    return code.hasProbe ? this.#offered.get(module)?.get(capabilityId) : OFFERED;
  }

  /** How many of it may run at once. */
  concurrencyOf({ spec }: EngineCapability): number {
    return this.offered(spec.id)?.maxConcurrent ?? spec.maxConcurrent;
  }

  /** Throws `capability_unavailable` where it is not on offer now. */
  assertOffered(capabilityId: string): void {
    if (this.offered(capabilityId) !== undefined) return;
    const reason = this.#components.registry.moduleOf(capabilityId)?.reason;
    const message = `${capabilityId} cannot be offered now.${reason ? ` ${reason}` : ''}`;
    throw new MeshError('capability_unavailable', message);
  }

  /** Probes everything once, or one module, and tells of a change. */
  async refresh(only?: string): Promise<void> {
    const { signal } = this.#controller ?? {};
    if (signal === undefined) return;
    const first = !this.#probed;
    this.#probed = true;
    const modules = [...this.#components.registry.modules()];
    const asked = modules.filter(({ manifest }) => only === undefined || manifest.id === only);
    const probes = asked.map((module) => this.#probe(module, signal, first));
    const changes = await Promise.all(probes);
    if (!signal.aborted && changes.includes(true)) this.#init.onChange();
  }

  #schedule(): void {
    this.#cancelTimer = this.#components.clock.after(this.#init.probeIntervalMs, () => {
      this.#round = this.refresh().then(() => {
        if (this.#controller !== undefined) this.#schedule();
      });
    });
  }

  /** True when anything but latency changed. */
  async #probe(module: EngineModule, signal: AbortSignal, first: boolean): Promise<boolean> {
    await this.#components.registry.check(module);
    const { code } = module;
    if (code === undefined || module.state === 'safe_mode') return false;
    const before = fingerprint(module, this.#offered.get(module));
    try {
      const answer = code.hasProbe ? await this.#ask(module, code, signal) : undefined;
      if (answer !== undefined) this.#offered.set(module, readAnswer(module, answer));
      if (signal.aborted) return false;
      const there = code.closed === null && this.#hasOffers(module);
      module.reason = code.closed ?? answer?.reason ?? (there ? null : 'What it depends on is not there.');
      module.state = there ? 'ready' : 'unavailable';
    } catch (error) {
      if (signal.aborted) return false;
      this.#offered.delete(module);
      module.state = 'unavailable';
      module.reason = describeFailure(error).message;
    }
    const changed = fingerprint(module, this.#offered.get(module)) !== before;
    if (changed) {
      const { state, reason, manifest } = module;
      // How it is at the start is part of what the node says of itself then.
      const level = first ? 'debug' : 'info';
      this.#components.log[level]({ module: manifest.id, state, reason }, 'What a module offers has changed');
    }
    return changed;
  }

  #hasOffers(module: EngineModule): boolean {
    return module.code?.hasProbe !== true || (this.#offered.get(module)?.size ?? 0) > 0;
  }

  async #ask(module: EngineModule, code: LoadedModule, stop: AbortSignal): Promise<Availability> {
    const { clock, models, permissions } = this.#components;
    const controller = new AbortController();
    const timeout = new MeshError('timeout', 'It did not say in time what it can offer.');
    const cancel = clock.after(this.#init.probeTimeoutMs, () => controller.abort(timeout));
    const signal = AbortSignal.any([stop, controller.signal]);
    const use = new PermissionUse(module, permissions);
    try {
      if (this.#probing.has(module)) throw timeout;
      this.#probing.add(module);
      const api = { models: scopedModels(models, signal, use) };
      const facts = () => factsOf(module, permissions, clock.now());
      const { ended, gone } = code.probe({ scope: { api, facts }, signal });
      void gone.then(() => this.#probing.delete(module));
      const end = await ended;
      if ('thrown' in end) throw end.thrown;
      return end.value;
    } finally {
      cancel();
      use.end();
    }
  }
}

/** Ids that the manifest does not have are left out. Throws where the details are no small JSON. */
function readAnswer(module: EngineModule, { capabilities }: Availability): Map<string, Offered> {
  const offered = new Map<string, Offered>();
  for (const { id, estimatedLatency, detail, ownOnly, maxConcurrent } of capabilities) {
    if (!module.capabilities.has(id)) continue;
    if (detail !== undefined && Buffer.byteLength(canonicalJson(detail)) > MAX_DETAIL_BYTES) {
      throw new MeshError('too_large', `The details of ${id} have more than ${MAX_DETAIL_BYTES} bytes.`);
    }
    const latency = Number.isFinite(estimatedLatency)
      ? { estimatedLatency: Math.max(0, estimatedLatency ?? 0) }
      : {};
    offered.set(id, {
      ...latency,
      ...(detail !== undefined && { detail: deepFreeze(detail) }),
      ...(ownOnly === true && { ownOnly }),
      ...(maxConcurrent !== undefined && { maxConcurrent }),
    });
  }
  return offered;
}

function fingerprint(module: EngineModule, offered: ReadonlyMap<string, Offered> | undefined): string {
  const offers = [...(offered ?? [])].map(
    ([id, { detail, ownOnly }]) => [id, detail ?? null, ownOnly === true] as const,
  );
  return canonicalJson([module.state, offers.sort(([a], [b]) => (a < b ? -1 : 1))]);
}
