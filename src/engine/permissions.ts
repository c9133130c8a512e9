import { MeshError } from '../lib/errors.ts';
import { keyspace } from '../store/keyspaces.ts';
import type { Database } from '../store/types.ts';
import type { Registry } from './registry.ts';
import type { Permissions } from './types.ts';

/** The operator's decisions, by `<module>:<permission>`; true grants, false revokes what is granted by default. */
const decisions = keyspace<boolean>('permissions');

export interface PermissionBookComponents {
  db: Database;
  registry: Pick<Registry, 'module' | 'modules'>;
}

export interface PermissionBookInit {
  /** Whether the configuration grants a declared permission that the operator has not decided on. */
  grantedByDefault: (module: string, permission: string) => boolean;
  /** After a decision: what the module offers may depend on it. */
  onChange?: (module: string) => Promise<void>;
}

/** What each module declares and the operator grants; only both together allow a use. */
export class PermissionBook implements Permissions {
  readonly #db: Database;
  readonly #registry: PermissionBookComponents['registry'];
  readonly #init: PermissionBookInit;
  /** What the store says, since it is asked at every use. As many as the manifests declare. */
  readonly #known = new Map<string, boolean | undefined>();

  constructor(components: PermissionBookComponents, init: PermissionBookInit) {
    this.#db = components.db;
    this.#registry = components.registry;
    this.#init = init;
  }

  list(): { module: string; permission: string; declared: boolean; granted: boolean }[] {
    return [...this.#registry.modules()].flatMap(({ manifest }) =>
      manifest.permissions.map((permission) => ({
        module: manifest.id,
        permission,
        declared: true,
        granted: this.granted(manifest.id, permission),
      })),
    );
  }

  granted(module: string, permission: string): boolean {
    if (!this.#registry.module(module)?.declared.has(permission)) return false;
    const key = `${module}:${permission}`;
    if (!this.#known.has(key)) this.#known.set(key, this.#db.get(decisions, key));
    return this.#known.get(key) ?? this.#init.grantedByDefault(module, permission);
  }

  grant(module: string, permission: string): Promise<void> {
    return this.#decide(module, permission, true);
  }

  revoke(module: string, permission: string): Promise<void> {
    return this.#decide(module, permission, false);
  }

  async #decide(module: string, permission: string, granted: boolean): Promise<void> {
    const known = this.#registry.module(module);
    if (known === undefined) throw new MeshError('not_found', `There is no module ${module}.`);
    if (!known.declared.has(permission)) {
      throw new MeshError('not_found', `The module ${module} does not declare the permission ${permission}.`);
    }
    const tx = this.#db.transaction();
    tx.put(decisions, `${module}:${permission}`, granted);
    await tx.commit();
    this.#known.set(`${module}:${permission}`, granted);
    await this.#init.onChange?.(module);
  }
}
