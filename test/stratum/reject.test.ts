import { describe, expect, it } from 'vitest';
import { classifyReject, REJECTS } from '../../src/stratum/reject.ts';

describe('classifyReject', () => {
  it.each([
    [21, 'Job Not Found', 'job-not-found'],
    [22, 'Duplicate Share', 'duplicate'],
    [23, 'Low Difficulty Share', 'low-difficulty'],
    [24, 'Unauthorized Worker', 'unauthorized'],
    [25, 'Not Subscribed', 'unauthorized'],
    [26, '', 'malformed'],
    [31, 'Invalid Authorize Format', 'unauthorized'],
    [32, 'Invalid Submit Format', 'stale'],
    [32, 'Malformed nonce', 'malformed'],
    [34, 'Unsupported Method', 'other'],
    [-1, 'Low difficulty share', 'low-difficulty'],
    [-1, 'Block expired', 'stale'],
    [-1, 'Malformed PoW result', 'malformed'],
    [-1, 'High rate of invalid shares', 'other'],
    [-1, 'Invalid login', 'unauthorized'],
    [-1, 'Invalid job id', 'job-not-found'],
    [-1, 'Stale share', 'stale'],
    [22, 'Duplicate share', 'duplicate'],
    [29, 'Invalid username', 'unauthorized'],
    [27, 'Illegal params', 'malformed'],
    [20, 'Unknown Error', 'other'],
    [undefined, 'stale', 'stale'],
    [undefined, '', 'other'],
    [999, 'no idea', 'other'],
  ] as const)('%s "%s" is %s', (code, message, expected) => {
    expect(classifyReject(code, message)).toBe(expected);
  });

  it('understands what our own pool sends', () => {
    const meaning = Object.entries(REJECTS).map(([reason, { code, message }]) => [
      reason,
      classifyReject(code, message),
    ]);
    expect(Object.fromEntries(meaning)).toEqual({
      unknown: 'other',
      'job-not-found': 'job-not-found',
      duplicate: 'duplicate',
      'low-difficulty': 'low-difficulty',
      unauthorized: 'unauthorized',
      'not-subscribed': 'unauthorized',
      'bad-login': 'unauthorized',
      'bad-submit': 'stale',
      stale: 'stale',
      'out-of-range': 'malformed',
      unavailable: 'other',
      'unsupported-method': 'other',
      'second-login': 'other',
    });
  });
});
