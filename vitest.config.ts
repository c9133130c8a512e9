import { defineConfig } from 'vitest/config';

/** The quick projects run first; those that start whole nodes have the processors to themselves afterwards. */
const project = (name: string, groupOrder: number) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], sequence: { groupOrder } },
});

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      project('unit', 0),
      project('property', 0),
      project('conformance', 0),
      project('mesh', 1),
      project('cli', 1),
    ],
  },
});
