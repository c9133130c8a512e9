import type { Availability, ProbeApi } from '../../src/engine/capability.ts';
import { actions } from '../actions.ts';

/** Archives as work that another node can be asked for. Loaded when asked for, since every node has it and few use it. */
export const run = actions({
  'archive.verify': async (intent, api) => (await import('./reading.ts')).verify(intent, api),
  'archive.seal': async (intent, api) => (await import('./seal.ts')).seal(intent, api),
  'archive.hydrate': async (intent, api) => (await import('./reading.ts')).hydrate(intent, api),
});

/** Sealing is for the node's own identity alone until its operator lends the key to others. */
export async function probe({ granted }: ProbeApi): Promise<Availability> {
  const seal = { id: 'archive.seal', ownOnly: !granted('seal:others') };
  return { capabilities: [{ id: 'archive.verify' }, seal, { id: 'archive.hydrate' }] };
}
