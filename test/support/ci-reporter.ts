/**
 * Ends every run with what a person or a script reading the log needs: each skipped test with its
 * reason, and as the very last line `N passed, N failed`, with `, N skipped` if any were. Give the
 * reason with `ctx.skip('why')`; `it.skip` has no place for one and is listed as such.
 *
 * A file that does not load, a hook that fails and an unhandled error count as failed, and a run
 * that ends with an error code never says `0 failed`.
 */
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node';

interface Outcome {
  passed: number;
  failed: number;
  readonly skipped: string[];
}

export default class CiReporter implements Reporter {
  #vitest: Vitest | undefined;
  #outcome: Outcome = { passed: 0, failed: 0, skipped: [] };

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
    // Not in onTestRunEnd: other reporters and the closing of the run still print after that.
    // Under --watch the process ends by hand, and nobody reads the last line.
    if (!vitest.config.watch) process.once('exit', (code) => this.#print(code));
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const outcome: Outcome = { passed: 0, failed: unhandledErrors.length, skipped: [] };
    const isFiltered = this.#vitest?.config.testNamePattern !== undefined;
    for (const module of modules) {
      outcome.failed += countOwnErrors(module);
      for (const suite of module.children.allSuites()) outcome.failed += countOwnErrors(suite);
      for (const test of module.children.allTests()) addTest(outcome, module, test, isFiltered);
    }
    this.#outcome = outcome;
  }

  #print(exitCode: number): void {
    const { passed, failed, skipped } = this.#outcome;
    const lines = skipped.map((each) => `skipped: ${each}`);
    const total = [`${passed} passed`, `${exitCode === 0 ? failed : Math.max(failed, 1)} failed`];
    if (skipped.length > 0) total.push(`${skipped.length} skipped`);
    process.stdout.write(`${[...lines, total.join(', ')].join('\n')}\n`);
  }
}

/** 1 for a file that did not load or a suite whose hooks failed, whatever its tests did. */
function countOwnErrors(group: TestModule | TestSuite): number {
  return group.errors().length > 0 ? 1 : 0;
}

function addTest(outcome: Outcome, module: TestModule, test: TestCase, isFiltered: boolean): void {
  const result = test.result();
  switch (result.state) {
    case 'passed':
      outcome.passed++;
      break;
    case 'failed':
    // Pending at the end of the run: it was interrupted.
    case 'pending':
      outcome.failed++;
      break;
    case 'skipped':
      // Tests left out by --testNamePattern are marked the same way, without a note.
      if (isFiltered && result.note === undefined) break;
      outcome.skipped.push(
        `${module.relativeModuleId} > ${test.fullName} (${result.note ?? impliedReason(test)})`,
      );
  }
}

function impliedReason(test: TestCase): string {
  if (test.options.mode === 'todo') return 'to do';
  for (let group = test.parent; group.type === 'suite'; group = group.parent) {
    if (group.errors().length > 0) return `hook of "${group.name}" failed`;
  }
  return 'no reason given';
}
