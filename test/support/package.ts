import { readFileSync } from 'node:fs';

const file = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

/** What `package.json` says, which everything else has to follow. */
export const { version, devDependencies }: { version: string; devDependencies: Record<string, string> } =
  JSON.parse(file('package.json'));

/** A file beside it. */
export const rootFile = file;
