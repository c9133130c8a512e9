import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { CapabilityManifest, ManifestCapability } from '../../protocols/manifest/v1/schema.ts';
import { compileJsonSchema, type JsonSchemaCheck } from '../capsule/json-schema.ts';
import { parseManifest } from '../capsule/manifest.ts';
import { MeshError } from '../lib/errors.ts';
import type { CapabilityModule } from './capability.ts';
import type { LoadedModule, Runner } from './runners/runner.ts';
import type { ModuleState } from './types.ts';

/** One thing a module can be asked for, ready to be enforced. */
export interface EngineCapability {
  readonly spec: ManifestCapability;
  readonly checkInput: JsonSchemaCheck;
  readonly checkOutput: JsonSchemaCheck;
}

/** Where a module comes from: a folder, or code of this process. */
export type ModuleSource =
  /** `capabilities/<name>` with `manifest.json` and its code, and what runs it; this process unless told. */
  | { folder: string; runner?: Runner }
  /** `codeHash` is 64 hex characters and stands for the code, as a folder's hash does. */
  | { manifest: CapabilityManifest; module: CapabilityModule; codeHash: string };

/** A module in the registry. `code` is there once it was loaded, which a module in safe mode never is. */
export interface EngineModule {
  readonly manifest: CapabilityManifest;
  readonly codeHash: string;
  readonly config: JsonObject;
  readonly declared: ReadonlySet<string>;
  /** By capability id. */
  readonly capabilities: ReadonlyMap<string, EngineCapability>;
  readonly load: () => Promise<LoadedModule>;
  /** Whether the code is still what `codeHash` stands for; told at once where nothing was written. */
  readonly isUnchanged: () => boolean | Promise<boolean>;
  code: LoadedModule | undefined;
  state: ModuleState;
  /** Why it is not ready, or why not all that it has is on offer. */
  reason: string | null;
}

/**
 * Makes a module of its manifest, with the operator's prices in place of the author's. Throws `config_invalid` where
 * that cannot be used; `place` says where it is.
 */
export function buildModule(
  value: unknown,
  place: string,
  from: (manifest: CapabilityManifest) => Pick<EngineModule, 'codeHash' | 'config' | 'load' | 'isUnchanged'>,
  prices: ReadonlyMap<string, number> = new Map(),
): EngineModule {
  const parsed = parseManifest(value);
  if (!parsed.ok) {
    throw new MeshError('config_invalid', `The module in ${place} is unusable. ${parsed.error.message}`);
  }
  const { manifest } = parsed;
  const capabilities = new Map<string, EngineCapability>();
  for (const declared of manifest.capabilities) {
    const spec = { ...declared, price: prices.get(declared.id) ?? declared.price };
    capabilities.set(spec.id, {
      spec,
      checkInput: compile(manifest, spec, 'input'),
      checkOutput: compile(manifest, spec, 'output'),
    });
  }
  return {
    ...from(manifest),
    manifest,
    declared: new Set(manifest.permissions),
    capabilities,
    code: undefined,
    state: 'safe_mode',
    reason: 'Not loaded yet.',
  };
}

function compile(
  manifest: CapabilityManifest,
  spec: ManifestCapability,
  part: 'input' | 'output',
): JsonSchemaCheck {
  try {
    return compileJsonSchema(spec[part]);
  } catch (error) {
    throw unfit(
      manifest,
      `"${part}" of ${spec.id} is ${error instanceof Error ? error.message : 'unusable'}`,
    );
  }
}

function unfit(manifest: CapabilityManifest, problem: string): MeshError {
  return new MeshError(
    'config_invalid',
    `The manifest of the module ${manifest.id} is unusable: ${problem}.`,
  );
}
