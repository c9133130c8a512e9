import type { Config } from './config-schema.ts';

/** What the configuration grants without anybody having been asked: a module's name and one permission in. */
export function defaultGrants(
  { builtins, granted }: Config['permissions'],
  builtIn: ReadonlySet<string>,
): (module: string, permission: string) => boolean {
  const named = new Map(Object.entries(granted));
  return (module, permission) =>
    (builtins && builtIn.has(module)) || (named.get(module)?.includes(permission) ?? false);
}
