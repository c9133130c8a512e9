import { readFile } from 'node:fs/promises';
import { Check } from 'typebox/value';
import { CapabilityManifest, type ManifestCapability } from '../../protocols/manifest/v1/schema.ts';
import { compileJsonSchema, type JsonSchemaCheck } from '../../src/capsule/json-schema.ts';

/** What a built-in capability declares. */
export async function specOf(module: string, capability: string): Promise<ManifestCapability> {
  const url = new URL(`../../capabilities/${module}/manifest.json`, import.meta.url);
  const manifest: unknown = JSON.parse(await readFile(url, 'utf8'));
  const spec = Check(CapabilityManifest, manifest)
    ? manifest.capabilities.find(({ id }) => id === capability)
    : undefined;
  if (spec === undefined) throw new Error(`${module} has no valid manifest with ${capability}`);
  return spec;
}

/** The check that the engine makes of a built-in capability's result: null, or what is wrong. */
export async function outputCheck(module: string, capability: string): Promise<JsonSchemaCheck> {
  return compileJsonSchema((await specOf(module, capability)).output);
}
