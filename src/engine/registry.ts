import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { Crypto } from '../lib/crypto.ts';
import { MeshError } from '../lib/errors.ts';
import { deepFreeze } from '../lib/json.ts';
import { keyspace } from '../store/keyspaces.ts';
import type { Database } from '../store/types.ts';
import { CodeFolder, readManifest } from './code-folder.ts';
import { loadCode } from './code-loading.ts';
import { describeFailure } from './failure.ts';
import { buildModule, type EngineModule, type ModuleSource } from './module.ts';
import { InProcessRunner } from './runners/in-process.ts';

/** Code hashes accepted so far, by `<module>@<version>`. */
const codeHashes = keyspace<string>('codeHashes');

export interface RegistryComponents {
  db: Database;
  crypto: Crypto;
}

export interface RegistryInit {
  sources: readonly ModuleSource[];
  /** Sections of the configuration, by module id. */
  config?: ReadonlyMap<string, JsonObject>;
  /** Credits by capability id, where the operator asks for something else than the manifest. */
  prices?: ReadonlyMap<string, number>;
  /** Called after a module went into safe mode, or came out of it, while the node runs. */
  onChange?: () => void;
}

/** The modules of this node. Names come from capsules, so they are looked up in Maps only. */
export class Registry {
  readonly #components: RegistryComponents;
  readonly #init: RegistryInit;
  readonly #modules = new Map<string, EngineModule>();
  readonly #byCapability = new Map<string, EngineModule>();
  readonly #ownProcess = new InProcessRunner(({ from, codeHash }) =>
    'module' in from ? Promise.resolve(from.module) : loadCode(from, codeHash),
  );

  constructor(components: RegistryComponents, init: RegistryInit) {
    this.#components = components;
    this.#init = init;
  }

  /**
   * Loads every source. Throws `config_invalid` for the first that is unusable by its manifest; where only its code cannot
   * be loaded, the module is unavailable.
   */
  async load(): Promise<void> {
    this.#modules.clear();
    this.#byCapability.clear();
    for (const source of this.#init.sources) this.#add(await this.#read(source));
    await Promise.all([...this.#modules.values()].map((module) => this.#admit(module)));
  }

  modules(): IterableIterator<EngineModule> {
    return this.#modules.values();
  }

  module(id: string): EngineModule | undefined {
    return this.#modules.get(id);
  }

  /** The module that has this capability. */
  moduleOf(capabilityId: string): EngineModule | undefined {
    return this.#byCapability.get(capabilityId);
  }

  /**
   * Looks whether the code of a module is still what was accepted. While it is not, the module is in safe mode: it may
   * load more of it at any call. Undefined where that is known at once.
   */
  check(module: EngineModule): Promise<void> | undefined {
    if (module.code === undefined) return undefined;
    const unchanged = module.isUnchanged();
    if (typeof unchanged !== 'boolean') return unchanged.then((found) => this.#note(module, found));
    this.#note(module, unchanged);
    return undefined;
  }

  #note(module: EngineModule, unchanged: boolean): void {
    if (unchanged === (module.state !== 'safe_mode')) return;
    module.state = unchanged ? 'ready' : 'safe_mode';
    module.reason = unchanged ? null : changedMeanwhile(module);
    this.#init.onChange?.();
  }

  /**
   * Loads the code that was found at the start and accepts it from now on. Throws `not_found`, and `integrity_lock`
   * where it has changed since.
   */
  async trust(id: string): Promise<void> {
    const module = this.#modules.get(id);
    if (module === undefined) throw new MeshError('not_found', `There is no module ${id}.`);
    if (!(await module.isUnchanged())) throw new MeshError('integrity_lock', changedMeanwhile(module));
    const code = module.code ?? (await module.load());
    await this.#record(module);
    module.code = code;
    await this.#admit(module);
  }

  async #read(source: ModuleSource): Promise<EngineModule> {
    if ('module' in source) {
      const { manifest, codeHash, module } = source;
      return buildModule(
        manifest,
        'this process',
        ({ id, permissions }) => ({
          codeHash,
          config: this.#config(id),
          load: () => this.#ownProcess.start({ id, codeHash, permissions, from: { module } }),
          isUnchanged: () => true,
        }),
        this.#init.prices,
      );
    }
    const { folder, runner = this.#ownProcess } = source;
    const manifest = await readManifest(folder);
    const code = await CodeFolder.read(folder, this.#components.crypto);
    const { hash: codeHash } = code;
    return buildModule(
      manifest,
      folder,
      ({ id, permissions }) => ({
        codeHash,
        config: this.#config(id),
        load: () => runner.start({ id, codeHash, permissions, from: code.code }),
        isUnchanged: () => code.isUnchanged(),
      }),
      this.#init.prices,
    );
  }

  #config(id: string): JsonObject {
    return deepFreeze(this.#init.config?.get(id) ?? {});
  }

  #add(module: EngineModule): void {
    const { id } = module.manifest;
    if (this.#modules.has(id)) throw new MeshError('config_invalid', `Two modules have the name ${id}.`);
    this.#modules.set(id, module);
    for (const capability of module.capabilities.keys()) {
      const other = this.#byCapability.get(capability)?.manifest.id;
      if (other !== undefined) {
        throw new MeshError('config_invalid', `Both ${other} and ${id} offer ${capability}.`);
      }
      this.#byCapability.set(capability, module);
    }
  }

  /** The first hash of a version is taken on trust; another one for the same version is not run. */
  async #admit(module: EngineModule): Promise<void> {
    const recorded = this.#components.db.get(codeHashes, recordKey(module));
    if (recorded !== undefined && recorded !== module.codeHash) {
      module.state = 'safe_mode';
      module.reason = `The code of ${recordKey(module)} is not what it was when it was first loaded.`;
      return;
    }
    // Loaded before it is recorded: code that could not be loaded may be mended without a new version.
    try {
      if (!(await module.isUnchanged())) throw new MeshError('integrity_lock', changedMeanwhile(module));
      module.code ??= await module.load();
    } catch (error) {
      module.state = 'unavailable';
      module.reason = describeFailure(error).message;
      return;
    }
    if (recorded === undefined) await this.#record(module);
    module.state = 'ready';
    module.reason = null;
  }

  async #record(module: EngineModule): Promise<void> {
    const tx = this.#components.db.transaction();
    tx.put(codeHashes, recordKey(module), module.codeHash);
    await tx.commit();
  }
}

function changedMeanwhile(module: EngineModule): string {
  return `The code of ${recordKey(module)} has changed since the node started: start the node again.`;
}

function recordKey({ manifest }: EngineModule): string {
  return `${manifest.id}@${manifest.version}`;
}
