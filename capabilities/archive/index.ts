import { actions } from '../actions.ts';

/** Archives as work that another node can be asked for. Loaded when asked for, since every node has it and few use it. */
export const run = actions({
  'archive.verify': async (intent, api) => (await import('./reading.ts')).verify(intent, api),
  'archive.seal': async (intent, api) => (await import('./seal.ts')).seal(intent, api),
  'archive.hydrate': async (intent, api) => (await import('./reading.ts')).hydrate(intent, api),
});
