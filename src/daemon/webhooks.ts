import { MeshError } from '../lib/errors.ts';
import type { Config } from './config-schema.ts';

export type Webhooks = Map<string, { url: string; headers: Record<string, string> }>;

/**
 * The operator's webhooks with their headers taken from the environment, where secrets belong. Throws `config_invalid` for a
 * variable that is not set, or that no header can hold.
 */
export function webhooksOf(
  { capabilities: { webhooks } }: Pick<Config, 'capabilities'>,
  env: Readonly<Record<string, string | undefined>>,
): Webhooks {
  const read = (path: string, variable: string): string => {
    const value = env[variable.slice(1)];
    if (value !== undefined && value !== '' && !/[^\t\x20-\x7e]/.test(value)) return value;
    const detail = { path, found: variable, allowed: 'a variable that holds one line of ASCII' };
    const problem = value ? 'cannot be sent as a header' : 'is not set';
    throw new MeshError(
      'config_invalid',
      `The variable ${variable}, which "${path}" names, ${problem}.`,
      detail,
    );
  };
  return new Map(
    Object.entries(webhooks).map(([name, { url, headers = {} }]) => {
      const path = (header: string): string => `capabilities.webhooks.${name}.headers.${header}`;
      const given = Object.entries(headers).map(
        ([header, variable]) => [header, read(path(header), variable)] as const,
      );
      return [name, { url, headers: Object.fromEntries(given) }];
    }),
  );
}
