import { describe, expect, it } from 'vitest';
import { bytesToHex, concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { OP } from '../../src/vm/opcodes.ts';
import {
  buildProgram,
  executedProgram,
  isStandardProgram,
  multisigProgram,
  parseInstruction,
  parseProgram,
  pushData,
  pushInt,
} from '../../src/vm/program.ts';

const HASH20 = '11'.repeat(20);
const HASH32 = '22'.repeat(32);

function hex(text: string): Uint8Array {
  return hexToBytes(text, 'program');
}

describe('parseProgram', () => {
  it('reads every kind of instruction', () => {
    const text = '00 02abcd 4c01aa 4d0200bbbb 4e03000000cccccc 51 6310000000 6405000000 76 ff';
    const program = hex(text.replaceAll(' ', ''));
    const parts = parseProgram(program)!;
    expect(parts.map(({ opcode }) => opcode)).toEqual([
      ...[0x00, 0x02, 0x4c, 0x4d, 0x4e, 0x51, 0x63, 0x64, 0x76, 0xff],
    ]);
    expect(parts.map(({ data }) => bytesToHex(data))).toEqual([
      ...['', 'abcd', 'aa', 'bbbb', 'cccccc', '', '10000000', '05000000', '', ''],
    ]);
    expect(parts.at(-1)?.end).toBe(program.length);
  });

  it('knows no program that is cut short, wherever it is', () => {
    for (const text of ['02abcd', '4c02abcd', '4d0200abcd', '4e02000000abcd', '6301000000']) {
      const whole = hex(text);
      expect(parseProgram(whole), text).toHaveLength(1);
      for (let length = 1; length < whole.length; length++) {
        expect(parseProgram(whole.slice(0, length)), `${text} to ${length}`).toBeUndefined();
      }
    }
    expect(parseProgram(new Uint8Array(0))).toEqual([]);
  });

  it('takes lengths near 2^32 as they are', () => {
    for (const length of ['fbffffff', 'fcffffff', 'ffffffff', '00000080', 'ffffff7f']) {
      expect(parseInstruction(hex(`4e${length}aabb`), 0), length).toBeUndefined();
      expect(parseInstruction(hex(`515151514e${length}aabb`), 4), length).toBeUndefined();
    }
  });

  it('finds no instruction at or beyond the end', () => {
    expect(parseInstruction(hex('51'), 1)).toBeUndefined();
    expect(parseInstruction(hex('51'), 0xffff_ffff)).toBeUndefined();
  });
});

describe('isStandardProgram', () => {
  const cases: readonly [text: string, standard: boolean][] = [
    [`0014${HASH20}`, true],
    [`0020${HASH32}`, true],
    [`5114${HASH20}`, true],
    [`6020${HASH32}`, true],
    // Everything up to 60 may stand in front, even a push of data, or a byte that is no opcode.
    [`5014${HASH20}`, true],
    [`01ff14${HASH20}`, true],
    [`4b${'ab'.repeat(75)}20${HASH32}`, true],
    [`4c0014${HASH20}`, true],
    [`4d0100ff14${HASH20}`, true],
    [`4e0000000020${HASH32}`, true],
    [`4f14${HASH20}`, true],
    [`6114${HASH20}`, false],
    [`7614${HASH20}`, false],
    [`630000000014${HASH20}`, false],
    // The hash itself only by these two opcodes.
    [`004c14${HASH20}`, false],
    [`004c20${HASH32}`, false],
    [`0015${HASH20}11`, false],
    [`0013${'11'.repeat(19)}`, false],
    [`0014${'11'.repeat(19)}`, false],
    [`0014${HASH20}51`, false],
    [`0014${HASH20}00`, false],
    [`0020${'22'.repeat(31)}`, false],
    [`0020${HASH32}22`, false],
    [`14${HASH20}`, false],
    ['51', true],
    ['6a', true],
    ['', false],
    ['00', false],
    ['52', false],
    ['61', false],
    ['ae', false],
    ['5151', false],
    ['6a51', false],
    ['4c', false],
    ['0014', false],
    ['4effffffff', false],
  ];

  it.each(cases)('%s: %s', (text, standard) => {
    expect(isStandardProgram(hex(text))).toBe(standard);
  });
});

describe('executedProgram', () => {
  it('turns the two hash forms into the programs they stand for', () => {
    expect(bytesToHex(executedProgram(hex(`0014${HASH20}`)))).toBe(`76ab14${HASH20}88ae7cac`);
    expect(bytesToHex(executedProgram(hex(`0020${HASH32}`)))).toBe(
      `76aa20${HASH32}8808ffffffffffffffff7c00c0`,
    );
  });

  it('leaves all other programs as they are, standard or not', () => {
    const others = ['', '51', '6a', `5114${HASH20}`, `6020${HASH32}`, `010514${HASH20}`];
    others.push(`4c0014${HASH20}`, `0014${HASH20}00`, `0014${'11'.repeat(19)}`, `004c14${HASH20}`);
    others.push(`0020${HASH20}`, `0014${HASH32}`);
    for (const text of others) {
      const program = hex(text);
      expect(executedProgram(program), text).toBe(program);
    }
  });
});

describe('builders', () => {
  it('push bytes by the shortest instruction', () => {
    const heads: readonly [length: number, head: string][] = [
      [0, '00'],
      [1, '01'],
      [75, '4b'],
      [76, '4c4c'],
      [255, '4cff'],
      [256, '4d0001'],
      [65_535, '4dffff'],
      [65_536, '4e00000100'],
      [16_909_060, '4e04030201'],
    ];
    for (const [length, head] of heads) {
      const data = new Uint8Array(length).fill(7);
      const push = pushData(data);
      expect(bytesToHex(push.subarray(0, push.length - length)), `${length}`).toBe(head);
      const [instruction, ...more] = parseProgram(push)!;
      expect(more).toEqual([]);
      expect(instruction?.data.length).toBe(length);
    }
  });

  it('push integers, 1 to 16 by their own opcodes', () => {
    const texts: readonly [bigint, string][] = [
      [0n, '00'],
      [1n, '51'],
      [16n, '60'],
      [17n, '0111'],
      [300n, '022c01'],
      [-1n, '08ffffffffffffffff'],
      [(1n << 63n) - 1n, '08ffffffffffffff7f'],
    ];
    for (const [value, text] of texts) expect(bytesToHex(pushInt(value))).toBe(text);
    expect(() => pushInt(1n << 63n)).toThrow('expected a signed 64-bit integer');
  });

  it('put opcodes, bytes and integers together', () => {
    const program = buildProgram(OP.DUP, hex('abcd'), 300n, 0xff, OP.FALSE, new Uint8Array(0), 5n);
    expect(bytesToHex(program)).toBe('7602abcd022c01ff000055');
    for (const part of [256, -1, 1.5]) {
      expect(() => buildProgram(part)).toThrow(`expected an opcode 0 … 255, got ${part}`);
    }
  });
});

describe('multisigProgram', () => {
  const keys = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const pushes = `20${'01'.repeat(32)}20${'02'.repeat(32)}`;

  it('asks for some signatures of many keys, before a height if there is one', () => {
    expect(bytesToHex(multisigProgram(keys, 1))).toBe(`ae${pushes}5152ad`);
    expect(bytesToHex(multisigProgram(keys, 2, 300))).toBe(`022c01cda069ae${pushes}5252ad`);
    expect(bytesToHex(multisigProgram(keys, 2, 0))).toBe(`00cda069ae${pushes}5252ad`);
  });

  it('refuses what nobody could ever satisfy', () => {
    expect(() => multisigProgram(keys, 3)).toThrow('"quorum" expected 1 … 2 (the keys), got 3');
    expect(() => multisigProgram(keys, 0)).toThrow('"quorum"');
    expect(() => multisigProgram(keys, 1.5)).toThrow('"quorum"');
    expect(() => multisigProgram([], 0)).toThrow('"quorum"');
    const short = concatBytes(keys[1]!.subarray(1));
    expect(() => multisigProgram([keys[0]!, short], 1)).toThrow(
      '"keys[1]" expected 32 bytes, got 31',
    );
  });
});
