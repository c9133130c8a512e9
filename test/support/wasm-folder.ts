import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ManifestCapability } from '../../protocols/manifest/v1/schema.ts';

export interface WasmFolderOptions {
  permissions?: readonly string[];
  /** Ids, each an intent of its own. */
  capabilities?: readonly string[];
}

/** A capability's folder with this module; whoever makes it removes it. */
export function wasmFolder(module: Uint8Array, options: WasmFolderOptions = {}): string {
  const { permissions = [], capabilities = ['unit.run'] } = options;
  const folder = mkdtempSync(join(tmpdir(), 'wasm-folder-'));
  const capability = (id: string): ManifestCapability => ({
    id,
    intent: id,
    input: { type: 'object' },
    output: {},
    price: 0,
    estimatedLatency: 0.01,
    idempotent: true,
    streaming: true,
    maxConcurrent: 8,
  });
  const manifest = {
    id: 'unit',
    version: '1.0.0',
    description: 'Made by a test.',
    intents: capabilities,
    permissions,
    capabilities: capabilities.map(capability),
  };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'module.wasm'), module);
  return folder;
}
