import { homedir, userInfo } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { MeshError } from './errors.ts';

/** The default data directory. */
export const DEFAULT_DATA_DIRECTORY = '~/.capsule';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The data directory, absolute: `--data`, else `CAPSULE_DATA`, else `CAPSULE_DATA_DIRECTORY`, else `~/.capsule`. Node
 * and commands must agree on it, or the commands look for a node in another place. What is empty says nothing.
 */
export function dataDirectory(flag: string | undefined, env: Environment): string {
  return absolutePath(flag || env.CAPSULE_DATA || env.CAPSULE_DATA_DIRECTORY || DEFAULT_DATA_DIRECTORY);
}

/** Resolved against the current directory, with a leading `~` or `~/` as the home directory. */
export function absolutePath(path: string): string {
  return resolve(path === '~' || path.startsWith('~/') ? join(homeDirectory(), path.slice(1)) : path);
}

/**
 * `HOME`, and where that is empty, as in some services and containers, what the system's user database says. Throws
 * `config_invalid` where there is neither: a path relative to nothing is a different place each time.
 */
function homeDirectory(): string {
  for (const find of [homedir, () => userInfo().homedir]) {
    const found = attempt(find);
    if (found !== undefined && isAbsolute(found)) return found;
  }
  throw new MeshError(
    'config_invalid',
    'This user has no home directory: set HOME, or name the data directory with --data or CAPSULE_DATA.',
  );
}

/** A user without an entry in the user database has none to be told. */
function attempt(find: () => string): string | undefined {
  try {
    return find();
  } catch {
    return undefined;
  }
}
