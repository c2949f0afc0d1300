/** Skips the tests of a file where an optional package is not installed. To be called at its top. */
import { createRequire } from 'node:module';
import { beforeEach } from 'vitest';

/** Whether the package is there; whether it loads is for the tests to show. */
export function hasPackage(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

export function skipWithout(name: string): void {
  beforeEach((ctx) => {
    if (!hasPackage(name)) ctx.skip(`the optional package ${name} is not installed`);
  });
}
