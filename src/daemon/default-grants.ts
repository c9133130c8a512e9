import type { Config } from './config-schema.ts';

/** What built-in modules declare and do only when somebody said so: it speaks with the node's key for others. */
const ASKED_FOR: ReadonlySet<string> = new Set(['seal:others']);

/** What the configuration grants without anybody having been asked: a module's name and one permission in. */
export function defaultGrants(
  { builtins, granted }: Config['permissions'],
  builtIn: ReadonlySet<string>,
): (module: string, permission: string) => boolean {
  const named = new Map(Object.entries(granted));
  return (module, permission) =>
    (builtins && builtIn.has(module) && !ASKED_FOR.has(permission)) ||
    (named.get(module)?.includes(permission) ?? false);
}
