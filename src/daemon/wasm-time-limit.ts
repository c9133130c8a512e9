import type { CallRequest } from '../engine/runners/runner.ts';
import { MeshError } from '../lib/errors.ts';
import { limitsOf, readSettings } from '../wasm/order.ts';

/** Milliseconds that an order of `wasm.run` may take. Undefined for other work, and for orders that will be refused. */
export function wasmTimeLimit({ intent, scope }: CallRequest): number | undefined {
  if (intent.capability !== 'wasm.run') return undefined;
  try {
    return limitsOf(intent.payload, readSettings(scope.facts().config)).timeMs;
  } catch (error) {
    if (error instanceof MeshError) return undefined;
    throw error;
  }
}
