import { defineConfig } from 'vitest/config';

/**
 * Four projects: `unit` runs from the sources; `gpu` runs the shaders, where TEST_WEBGPU=1 says that
 * there is an adapter; `e2e` runs the built program in child processes; `boards` builds the firmware and
 * runs it, emulated or as a program.
 */
const BOARDS = 'test/e2e/{firmware,board,bridge,serial}-*.test.ts';

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
          exclude: ['test/e2e/**', 'test/gpu/**'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'gpu',
          include: ['test/gpu/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          // A software GPU takes every core by itself.
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: [BOARDS],
          testTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'boards',
          include: [BOARDS],
          testTimeout: 180_000,
          // An emulator keeps one core busy, and the test beside it waits: two at a time.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
