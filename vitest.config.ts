import { defineConfig } from 'vitest/config';

/** Two projects: `unit` runs from the sources; `e2e` runs the built program in child processes. */
export default defineConfig({
  test: {
    // The second prints the reason of every skip and, last of all, `N passed, N failed`.
    reporters: ['default', './test/support/ci-reporter.ts'],
    // One for each core: by default one is left out, which on two cores doubles the time.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
