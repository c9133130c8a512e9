import { MeshError } from '../lib/errors.ts';
import type { ModelsApi } from './capability.ts';
import type { PermissionUse } from './permission-use.ts';

/** Models for one piece of work: what it asked of them ends when `signal` aborts. */
export type ModelsPort = (signal: AbortSignal) => ModelsApi;

/** The port under the permission `models`; without a port every call rejects with `model_unavailable`. */
export function scopedModels(
  port: ModelsPort | undefined,
  signal: AbortSignal,
  permissions: PermissionUse,
): ModelsApi {
  const models = (): ModelsApi => {
    permissions.use('models');
    if (port === undefined) throw new MeshError('model_unavailable', 'This node has no model server.');
    return port(signal);
  };
  return Object.freeze({
    list: async () => models().list(),
    chat: async (...args: Parameters<ModelsApi['chat']>) => models().chat(...args),
    embed: async (...args: Parameters<ModelsApi['embed']>) => models().embed(...args),
  });
}
