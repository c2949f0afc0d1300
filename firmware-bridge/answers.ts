/** What an answer must have in common with its request. */
import { LinkError } from './errors.ts';

/** Throws `LinkError` `malformed` for an answer that is about something else than its request. */
export function checkSame(message: string, what: string, expected: number, actual: number): void {
  if (actual === expected) return;
  const why = `expected ${what} ${expected}, got ${actual}`;
  throw new LinkError({ code: 'malformed', message, why });
}
