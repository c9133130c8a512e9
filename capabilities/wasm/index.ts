import type { JsonValue } from '../../protocols/common/v1/schema.ts';
import type { Availability, CapabilityApi, Intent, ProbeApi } from '../../src/engine/capability.ts';
import { readSettings } from '../../src/wasm/order.ts';
import { fail } from '../fail.ts';

/** Runs a module that comes with the order. Loaded when first needed: most nodes never do. */
export async function run(intent: Intent, api: CapabilityApi): Promise<JsonValue> {
  const { runModule } = await import('./module.ts');
  return runModule(intent, api);
}

/** Nothing is on offer until the operator says whose modules, or which, may run. */
export async function probe({ config }: Pick<ProbeApi, 'config'>): Promise<Availability> {
  if (readSettings(config).allow !== 'none') return { capabilities: [{ id: 'wasm.run' }] };
  throw fail('capability_unavailable', 'Off until capabilities.settings.wasm.allow says what may run.');
}
