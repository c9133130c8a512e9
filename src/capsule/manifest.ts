import { CapabilityManifest } from '../../protocols/manifest/v1/schema.ts';
import { type Refused, refuse } from './outcome.ts';
import { structureCheck } from './signed-document.ts';

const checkStructure = structureCheck(CapabilityManifest, 'manifest', 'config_invalid');

/** Refusals are `config_invalid`: a manifest is part of an installation. Never throws. */
export function parseManifest(value: unknown): { ok: true; manifest: CapabilityManifest } | Refused {
  const checked = checkStructure(value);
  if (!checked.ok) return checked;
  const manifest = checked.document;
  const problem = agreementProblem(manifest);
  return problem === null
    ? { ok: true, manifest }
    : refuse('config_invalid', `The manifest is not valid: ${problem}.`);
}

function agreementProblem(manifest: CapabilityManifest): string | null {
  const ids = new Set<string>();
  for (const { id, intent } of manifest.capabilities) {
    if (ids.has(id)) return `it has the capability "${id}" twice`;
    ids.add(id);
    if (!manifest.intents.includes(intent))
      return `"${id}" runs the intent "${intent}", which "intents" does not list`;
  }
  return null;
}
