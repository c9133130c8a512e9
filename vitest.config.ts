import { defineConfig } from 'vitest/config';

/** These share a process and its modules from file to file: nothing keeps state on import, and loading costs most. */
const quick = (name: string) => project(name, { isolate: false, sequence: { groupOrder: 0 } });
/** These start whole nodes, and have the processors to themselves afterwards. */
const nodes = (name: string, globalSetup?: string) =>
  project(name, { sequence: { groupOrder: 1 }, ...(globalSetup !== undefined && { globalSetup }) });

interface Options {
  isolate?: boolean;
  sequence: { groupOrder: number };
  globalSetup?: string;
}

function project(name: string, options: Options) {
  return { extends: true as const, test: { name, include: [`test/${name}/**/*.test.ts`], ...options } };
}

const BUILT = './test/support/built.ts';

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    // Starting several whole nodes takes seconds on a quiet machine, and many times that on a busy one.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    projects: [
      quick('unit'),
      quick('property'),
      quick('conformance'),
      quick('simulate'),
      quick('model'),
      nodes('mesh', BUILT),
      nodes('cli', BUILT),
      nodes('browser'),
    ],
  },
});
