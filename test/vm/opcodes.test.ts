import { describe, expect, it } from 'vitest';
import { OP, OPCODE_NAMES } from '../../src/vm/opcodes.ts';
import { bvm, run } from './programs.ts';

describe('opcodes', () => {
  it('have the names that the reference gives to all 256 bytes', () => {
    expect(OPCODE_NAMES).toEqual(bvm.opcode_names.map(({ name }) => name));
    expect(bvm.opcode_names.map(({ op }) => Number.parseInt(op, 16))).toEqual(
      Array.from({ length: 256 }, (_, byte) => byte),
    );
  });

  it('are all that a machine knows: every other byte is kept for the future', () => {
    const named = new Set<number>(Object.values(OP));
    for (let byte = 0; byte < 256; byte++) {
      const known = named.has(byte) || (byte >= OP.DATA_1 && byte <= OP.DATA_75);
      const disallowed = run(Uint8Array.of(byte)).fault === 'disallowed opcode';
      expect(disallowed, OPCODE_NAMES[byte]).toBe(!known);
    }
  });
});
