import { describe, expect, it } from 'vitest';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { assemble, disassemble } from '../../src/vm/assemble.ts';
import { seededRandom } from '../support/random.ts';
import { bvm } from './programs.ts';

function hexOf(text: string): string {
  return bytesToHex(assemble(text));
}

describe('assemble', () => {
  it('makes of the texts of the reference the programs of the reference', () => {
    const texts = bvm.cases.filter(({ asm }) => asm !== undefined);
    expect(texts.length).toBeGreaterThan(350);
    for (const { asm, program } of texts) expect(hexOf(asm!), asm).toBe(program);
  });

  it('knows every opcode by its name, unless it needs something after it', () => {
    for (const { name, op } of bvm.opcode_names) {
      if (/^(DATA_\d+|PUSHDATA\d|JUMP|JUMPIF)$/.test(name)) {
        expect(() => assemble(name), name).toThrow(InputError);
      } else {
        expect(hexOf(name), name).toBe(op);
      }
    }
  });

  it('takes texts with blanks, quotes and letters of several bytes', () => {
    expect(hexOf("'a b'")).toBe('03612062');
    expect(hexOf("'it\\'s'")).toBe('0469742773');
    expect(hexOf("'\\\\'")).toBe('015c');
    expect(hexOf("'é'")).toBe('02c3a9');
    expect(hexOf("''")).toBe('00');
    expect(hexOf("'a''b'  \n\t DUP ")).toBe('0161016276');
    expect(hexOf('')).toBe('');
    expect(hexOf(' \n ')).toBe('');
  });

  it('pushes by a given opcode, and puts bytes as they are', () => {
    expect(hexOf('PUSHDATA1:0x05')).toBe('4c0105');
    expect(hexOf('PUSHDATA2:0x')).toBe('4d0000');
    expect(hexOf('PUSHDATA4:0x0506')).toBe('4e020000000506');
    expect(hexOf('1 RAW:0x4c 2')).toBe('514c52');
  });

  it('resolves labels before and after them, and positions', () => {
    expect(hexOf('$a JUMP:$b JUMPIF:$a $b 1')).toBe('630a000000640000000051');
    expect(hexOf('JUMP:4294967295')).toBe('63ffffffff');
  });

  const refused: readonly [text: string, message: string][] = [
    ['FOO', 'expected an opcode, a number, 0x…, a text or a label, got FOO'],
    ['dup', 'dup'],
    ['0xabc', 'even number of hex digits'],
    ['0xzz', '"z" at position 0'],
    ["'open", 'a closing quote'],
    ["1 'open\\'", 'a closing quote'],
    ['9223372036854775808', 'a signed 64-bit integer'],
    ['-9223372036854775809', 'a signed 64-bit integer'],
    ['1.5', '1.5'],
    ['JUMP:$nowhere', 'a label $nowhere'],
    ['JUMP:-1', 'a $label or a position 0 … 2^32−1, got -1'],
    ['JUMP:4294967296', 'a $label or a position'],
    ['JUMP:', 'a $label or a position'],
    ['$a $a', 'each label once'],
    ['RAW:51', '0x and hex digits'],
    [`PUSHDATA1:0x${'00'.repeat(256)}`, 'less than 256^1 bytes for PUSHDATA1, got 256'],
    ['constructor', 'constructor'],
    ['__proto__', '__proto__'],
  ];

  it.each(refused)('refuses %s', (text, message) => {
    expect(() => assemble(text)).toThrow(InputError);
    expect(() => assemble(text)).toThrow(message);
  });
});

describe('disassemble', () => {
  it('writes programs as people would', () => {
    const texts = [
      'DUP HASH160 0x1111111111111111111111111111111111111111 EQUALVERIFY TXSIGHASH SWAP CHECKSIG',
      '$l1 1ADD JUMPIF:$l1 JUMP:$l2 5 $l2',
      '1NEGATE 0xffffffffffffffff NOPxc5 FALSE 16 JUMP:4000',
      'PUSHDATA1:0x05 PUSHDATA4:0x',
      '1 RAW:0x4cff00',
    ];
    for (const text of texts) expect(disassemble(assemble(text))).toBe(text);
    expect(disassemble(new Uint8Array(0))).toBe('');
  });

  it('names only the starts of instructions: other targets stay positions', () => {
    expect(disassemble(hexToBytes('6301000000', 'program'))).toBe('JUMP:1');
    // The end is one, and so is where a cut instruction starts.
    expect(disassemble(hexToBytes('6305000000', 'program'))).toBe('JUMP:$l1 $l1');
    expect(disassemble(hexToBytes('63050000004c', 'program'))).toBe('JUMP:$l1 $l1 RAW:0x4c');
  });

  it('gives any bytes a text that comes back to them', () => {
    const random = seededRandom(3);
    for (let i = 0; i < 2000; i++) {
      const program = Uint8Array.from({ length: i % 40 }, () => Math.floor(random() * 256));
      const text = disassemble(program);
      expect(hexOf(text), text).toBe(bytesToHex(program));
    }
  });
});
