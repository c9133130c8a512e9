import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Of the package that this file is part of, run from source or built. */
export function packageVersion(from = import.meta.dirname): string {
  const file = join(from, 'package.json');
  if (!existsSync(file)) return packageVersion(dirname(from));
  const { version }: { version?: string } = JSON.parse(readFileSync(file, 'utf8'));
  return version ?? 'unknown';
}
