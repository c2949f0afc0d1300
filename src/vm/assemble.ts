/**
 * Programs as text and back, for people, explorers and tests: words separated by blanks.
 *
 * | word | bytes |
 * |---|---|
 * | `DUP`, `1NEGATE`, `NOPxc5`, `TRUE` | the opcode |
 * | `5`, `-1`, `300` | a push of that integer, the shortest |
 * | `0x0102`, `'text'` | a push of those bytes, the shortest; `\` takes the next character as it is |
 * | `PUSHDATA2:0x0102` | a push by that opcode, whatever the length |
 * | `$loop` | nothing: a label |
 * | `JUMP:$loop`, `JUMPIF:12` | a jump to a label, or to a position in bytes |
 * | `RAW:0x4c` | those bytes as they are |
 *
 * `disassemble` never fails, and `assemble` gives its bytes back: what is no whole instruction at
 * the end of a program becomes `RAW`.
 */
import { bytesEqual, bytesToHex, concatBytes, hexToBytes } from '../util/bytes.ts';
import { clip, InputError } from '../util/errors.ts';
import { OP, OPCODE_NAMES } from './opcodes.ts';
import {
  type Instruction,
  lengthBytes,
  parseInstruction,
  pushData,
  pushInt,
  readLittleEndian,
} from './program.ts';
import { MAX_INT64, MIN_INT64 } from './value.ts';

const FIELD = 'program';
const MAX_POSITION = 0xffff_ffff;

/** Names that stand for their byte alone: not those that need something after them. */
const OPCODES_BY_NAME: ReadonlyMap<string, number> = new Map([
  ...OPCODE_NAMES.flatMap((name, byte) => (hasOperand(byte) ? [] : [[name, byte] as const])),
  ['TRUE', OP['1']],
]);

/** Bytes of a program text. Throws an `InputError` for words that are none. */
export function assemble(text: string): Uint8Array {
  const parts: Uint8Array[] = [];
  const labels = new Map<string, number>();
  const uses: { readonly label: string; readonly operand: Uint8Array }[] = [];
  let at = 0;
  for (const word of splitWords(text)) {
    if (word.startsWith('$')) {
      if (labels.has(word)) throw new InputError(FIELD, 'each label once', clip(word));
      labels.set(word, at);
      continue;
    }
    const [head, rest] = splitPrefix(word);
    const part =
      head === 'JUMP' || head === 'JUMPIF' ? Uint8Array.of(OP[head], 0, 0, 0, 0) : encode(word);
    if (head === 'JUMP' || head === 'JUMPIF') {
      const operand = part.subarray(1);
      if (rest.startsWith('$')) uses.push({ label: rest, operand });
      else writePosition(operand, parsePosition(rest));
    }
    parts.push(part);
    at += part.length;
  }
  for (const { label, operand } of uses) {
    const position = labels.get(label);
    if (position === undefined) throw new InputError(FIELD, `a label ${clip(label)}`, 'none');
    writePosition(operand, position);
  }
  return concatBytes(...parts);
}

/** The text of any bytes. Jumps to the start of an instruction, or to the end, get labels. */
export function disassemble(program: Uint8Array): string {
  const instructions: Instruction[] = [];
  const starts = new Set<number>();
  let at = 0;
  for (;;) {
    starts.add(at);
    const instruction = parseInstruction(program, at);
    if (instruction === undefined) break;
    instructions.push(instruction);
    at = instruction.end;
  }
  const labels = nameTargets(instructions, starts);
  const words: string[] = [];
  const putLabel = (position: number): void => {
    const label = labels.get(position);
    if (label !== undefined) words.push(label);
  };
  let start = 0;
  for (const instruction of instructions) {
    putLabel(start);
    words.push(instructionText(program.subarray(start, instruction.end), instruction, labels));
    start = instruction.end;
  }
  putLabel(start);
  if (start < program.length) words.push(`RAW:0x${bytesToHex(program.subarray(start))}`);
  return words.join(' ');
}

function encode(word: string): Uint8Array {
  const opcode = OPCODES_BY_NAME.get(word);
  if (opcode !== undefined) return Uint8Array.of(opcode);
  if (/^[+-]?\d+$/.test(word)) return pushInt(parseInt64(word));
  if (word.startsWith("'")) return pushData(parseQuoted(word));
  if (word.startsWith('0x')) return pushData(parseHex(word));
  const [head, rest] = splitPrefix(word);
  switch (head) {
    case 'RAW':
      return parseHex(rest);
    case 'PUSHDATA1':
    case 'PUSHDATA2':
    case 'PUSHDATA4':
      return pushBy(head, parseHex(rest));
    default:
      throw new InputError(FIELD, 'an opcode, a number, 0x…, a text or a label', clip(word));
  }
}

/** Words, and texts in quotes with their quotes. A quote ends a word wherever it stands. */
function* splitWords(text: string): Generator<string> {
  const pattern = /\s*('(?:[^'\\]|\\.)*'|[^\s']\S*)/suy;
  for (let at = 0; text.slice(at).trim() !== ''; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const word = pattern.exec(text)?.[1];
    if (word === undefined) {
      throw new InputError(FIELD, 'a closing quote', clip(text.slice(at).trim()));
    }
    yield word;
  }
}

function splitPrefix(word: string): [head: string, rest: string] {
  const colon = word.indexOf(':');
  return colon < 0 ? [word, ''] : [word.slice(0, colon), word.slice(colon + 1)];
}

function parseHex(word: string): Uint8Array {
  if (!word.startsWith('0x')) throw new InputError(FIELD, '0x and hex digits', clip(word));
  return hexToBytes(word.slice(2), FIELD);
}

function parseQuoted(word: string): Uint8Array {
  return new TextEncoder().encode(word.slice(1, -1).replace(/\\(.)/gsu, '$1'));
}

function parseInt64(word: string): bigint {
  const value = BigInt(word.replace(/^\+/, ''));
  if (value < MIN_INT64 || value > MAX_INT64) {
    throw new InputError(FIELD, 'a signed 64-bit integer', clip(word));
  }
  return value;
}

function parsePosition(word: string): number {
  const position = Number(word);
  if (!/^\d+$/.test(word) || position > MAX_POSITION) {
    throw new InputError(FIELD, 'a $label or a position 0 … 2^32−1', clip(word));
  }
  return position;
}

function pushBy(name: 'PUSHDATA1' | 'PUSHDATA2' | 'PUSHDATA4', data: Uint8Array): Uint8Array {
  const width = lengthBytes(OP[name]);
  if (data.length >= 256 ** width) {
    throw new InputError(FIELD, `less than 256^${width} bytes for ${name}`, `${data.length}`);
  }
  const head = new Uint8Array(1 + width);
  head[0] = OP[name];
  for (let i = 0; i < width; i++) head[1 + i] = Math.floor(data.length / 256 ** i);
  return concatBytes(head, data);
}

function writePosition(operand: Uint8Array, position: number): void {
  new DataView(operand.buffer, operand.byteOffset).setUint32(0, position, true);
}

/** Labels by position, in the order of the jumps that use them. */
function nameTargets(
  instructions: readonly Instruction[],
  starts: ReadonlySet<number>,
): ReadonlyMap<number, string> {
  const labels = new Map<number, string>();
  for (const { opcode, data } of instructions) {
    if (opcode !== OP.JUMP && opcode !== OP.JUMPIF) continue;
    const target = readLittleEndian(data, 0, 4);
    if (starts.has(target) && !labels.has(target)) labels.set(target, `$l${labels.size + 1}`);
  }
  return labels;
}

function instructionText(
  bytes: Uint8Array,
  { opcode, data }: Instruction,
  labels: ReadonlyMap<number, string>,
): string {
  const name = OPCODE_NAMES[opcode]!;
  if (!hasOperand(opcode)) return name;
  if (opcode === OP.JUMP || opcode === OP.JUMPIF) {
    const target = readLittleEndian(data, 0, 4);
    return `${name}:${labels.get(target) ?? target}`;
  }
  const hex = `0x${bytesToHex(data)}`;
  return bytesEqual(bytes, pushData(data)) ? hex : `${name}:${hex}`;
}

function hasOperand(opcode: number): boolean {
  return (
    (opcode >= OP.DATA_1 && opcode <= OP.PUSHDATA4) || opcode === OP.JUMP || opcode === OP.JUMPIF
  );
}
