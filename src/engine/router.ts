import { MeshError } from '../lib/errors.ts';
import type { EngineCapability, EngineModule } from './module.ts';
import type { Registry } from './registry.ts';

export interface Route {
  readonly module: EngineModule;
  /** What was asked for and is paid. */
  readonly requested: EngineCapability;
  /** What runs: the requested one, or the one of the same module that the action names. */
  readonly target: EngineCapability;
}

/** Finds what a capability and an action mean on this node (node "One way for a capsule"). */
export class Router {
  readonly #registry: Pick<Registry, 'moduleOf'>;

  constructor(components: { registry: Pick<Registry, 'moduleOf'> }) {
    this.#registry = components.registry;
  }

  /** The module may be in any state. Throws `capability_unavailable`. */
  resolve(capabilityId: string, action: string): Route {
    const route = this.find(capabilityId, action);
    if (route !== undefined) return route;
    throw new MeshError(
      'capability_unavailable',
      this.capability(capabilityId) === undefined
        ? `This node does not have the capability ${capabilityId}.`
        : `The action ${action} is not one that ${capabilityId} includes.`,
    );
  }

  /** What `resolve` finds; undefined where that would throw. */
  find(capabilityId: string, action: string): Route | undefined {
    const module = this.#registry.moduleOf(capabilityId);
    const requested = module?.capabilities.get(capabilityId);
    const target = module && requested && this.#target(module, requested, action);
    return target && { module, requested, target };
  }

  /** As it is installed, on offer or not. */
  capability(id: string): EngineCapability | undefined {
    return this.#registry.moduleOf(id)?.capabilities.get(id);
  }

  /** Another capability only where it costs no more: asking for the cheap one must not run the dear one. */
  #target(module: EngineModule, requested: EngineCapability, action: string): EngineCapability | undefined {
    if (action === requested.spec.id || action === requested.spec.intent) return requested;
    for (const capability of module.capabilities.values()) {
      const { id, intent, price } = capability.spec;
      if ((action === id || action === intent) && price <= requested.spec.price) return capability;
    }
    return undefined;
  }
}
