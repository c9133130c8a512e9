import type { Config } from './config-schema.ts';

/** Declared by built-in modules, and granted by the operator only: it signs for others with the node's key. */
const ASKED_FOR: ReadonlySet<string> = new Set(['seal:others']);

/** What the configuration grants by default: takes a module's name and one permission. */
export function defaultGrants(
  { builtins, granted }: Config['permissions'],
  builtIn: ReadonlySet<string>,
): (module: string, permission: string) => boolean {
  const named = new Map(Object.entries(granted));
  return (module, permission) =>
    (builtins && builtIn.has(module) && !ASKED_FOR.has(permission)) ||
    (named.get(module)?.includes(permission) ?? false);
}
