import { fileURLToPath } from 'node:url';
import type { CapabilityManifest, ManifestCapability } from '../../protocols/manifest/v1/schema.ts';
import type { CapabilityModule } from '../../src/engine/capability.ts';
import { type EngineComponents, type EngineInit, MeshEngine } from '../../src/engine/engine.ts';
import type { ModuleSource } from '../../src/engine/module.ts';
import type { IntentRequest, Outcome } from '../../src/engine/types.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { memoryTestDatabase, silentLog } from './database.ts';
import { alice, bob } from './keys.ts';
import { VirtualClock } from './virtual-clock.ts';

/** The folder of `test.echo`, `test.fail`, `test.hang`, `test.count` and `test.slow`. */
export const ECHO_FOLDER = fileURLToPath(new URL('echo-capability', import.meta.url));

export const grantAll = (): boolean => true;

/** An engine of bob's that is not started, on a virtual clock and in memory unless told. */
export function testEngine(
  init: Partial<EngineInit> = {},
  components: Partial<EngineComponents> & { clock?: VirtualClock } = {},
) {
  const clock = components.clock ?? new VirtualClock();
  const db = components.db ?? memoryTestDatabase();
  const engine = new MeshEngine(
    { db, clock, crypto: nodeCrypto, signer: bob.signer, log: silentLog, ...components },
    { modules: [{ folder: ECHO_FOLDER }], grantedByDefault: grantAll, ...init },
  );
  return { engine, clock, db };
}

export async function startedEngine(...options: Parameters<typeof testEngine>) {
  const made = testEngine(...options);
  await made.engine.start();
  return made;
}

/** A module of this process; unless told, one capability `unit.run` that admits any payload and gives an object. */
export function testModule(
  run: CapabilityModule['run'],
  options: {
    id?: string;
    permissions?: string[];
    capabilities?: Partial<ManifestCapability>[];
    probe?: NonNullable<CapabilityModule['probe']>;
    codeHash?: string;
  } = {},
): ModuleSource {
  const capabilities = (options.capabilities ?? [{}]).map((part) => ({ ...UNIT_CAPABILITY, ...part }));
  const manifest: CapabilityManifest = {
    id: options.id ?? 'unit',
    version: '1.0.0',
    description: 'Made by a test.',
    intents: [...new Set(capabilities.map(({ intent }) => intent))],
    permissions: options.permissions ?? [],
    capabilities,
  };
  const module = { run, ...(options.probe && { probe: options.probe }) };
  return { manifest, module, codeHash: options.codeHash ?? 'c0de'.repeat(16) };
}

const UNIT_CAPABILITY: ManifestCapability = {
  id: 'unit.run',
  intent: 'run',
  input: { type: 'object' },
  output: {},
  price: 0,
  estimatedLatency: 1,
  idempotent: true,
  streaming: false,
  maxConcurrent: 8,
};

export function request(capability: string, payload: IntentRequest['payload'] = {}): IntentRequest {
  return {
    capability,
    action: capability,
    payload,
    raw: 'direct:test',
    timestamp: 1_700_000_000_000,
    origin: alice.identity,
  };
}

/** The result of a completed outcome; anything else throws. */
export function resultOf(outcome: Outcome): unknown {
  if (outcome.status === 'completed') return outcome.result;
  throw new Error(`Failed with ${outcome.error.code}: ${outcome.error.message}`);
}

export function errorOf(outcome: Outcome) {
  if (outcome.status === 'failed') return outcome.error;
  throw new Error(`Completed with ${JSON.stringify(outcome.result)}`);
}
