import { expect, it } from 'vitest';
import { parsePassword } from '../../../pool/shares/password.ts';

it.each([
  ['d=1024', { start: 1024n }],
  ['x,d=1024', { start: 1024n }],
  [' D = 7 ; fd=9;md=256', { start: 7n, fixed: 9n, minimum: 256n }],
  ['d=1,d=2', { start: 2n }],
  ['d=0,md=00', {}],
  ['123', {}],
  ['', {}],
  ['d=1e6,fd=-4,md=0x10,d=', {}],
  ['d=123456789012345678901', {}],
  ['dd=4,ad=4', {}],
  [`${'x'.repeat(300)},d=4`, {}],
])('reads %j as %o', (password, expected) => {
  expect(parsePassword(password)).toEqual(expected);
});
