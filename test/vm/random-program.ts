/**
 * Random programs that mostly do something: opcodes with operands they can use, predicates within
 * predicates, jumps, limits that run out, and now and then plain noise.
 */
import { concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { OP, type OpcodeName } from '../../src/vm/opcodes.ts';
import { pushData, pushInt } from '../../src/vm/program.ts';
import { MAX_INT64, MIN_INT64 } from '../../src/vm/value.ts';

export interface RandomProgram {
  readonly program: Uint8Array;
  readonly arguments: readonly Uint8Array[];
  readonly gas: number;
  readonly txVersion: bigint;
}

type Random = () => number;

/**
 * What stands on the stack for each opcode, the top last: i an integer, s a small one, b bytes,
 * h 32 bytes, t something mostly true, a the asset id of the context. Opcodes that are missing get
 * nothing.
 */
const OPERANDS: { readonly [name in OpcodeName]?: string } = {
  VERIFY: 't',
  TOALTSTACK: 'b',
  '2DROP': 'bb',
  '2DUP': 'bb',
  '3DUP': 'bbb',
  '2OVER': 'bbbb',
  '2ROT': 'bbbbbb',
  '2SWAP': 'bbbb',
  IFDUP: 't',
  DROP: 'b',
  DUP: 'b',
  NIP: 'bb',
  OVER: 'bb',
  PICK: 'bbs',
  ROLL: 'bbs',
  ROT: 'bbb',
  SWAP: 'bb',
  TUCK: 'bb',
  CAT: 'bb',
  SUBSTR: 'bss',
  LEFT: 'bs',
  RIGHT: 'bs',
  SIZE: 'b',
  INVERT: 'b',
  AND: 'bb',
  OR: 'bb',
  XOR: 'bb',
  EQUAL: 'bb',
  EQUALVERIFY: 'bb',
  CATPUSHDATA: 'bb',
  '1ADD': 'i',
  '1SUB': 'i',
  '2MUL': 'i',
  '2DIV': 'i',
  NEGATE: 'i',
  ABS: 'i',
  NOT: 'i',
  '0NOTEQUAL': 'i',
  ADD: 'ii',
  SUB: 'ii',
  MUL: 'ii',
  DIV: 'ii',
  MOD: 'ii',
  LSHIFT: 'is',
  RSHIFT: 'is',
  BOOLAND: 'tt',
  BOOLOR: 'tt',
  NUMEQUAL: 'ii',
  NUMEQUALVERIFY: 'ii',
  NUMNOTEQUAL: 'ii',
  LESSTHAN: 'ii',
  GREATERTHAN: 'ii',
  LESSTHANOREQUAL: 'ii',
  GREATERTHANOREQUAL: 'ii',
  MIN: 'ii',
  MAX: 'ii',
  WITHIN: 'iii',
  SHA256: 'b',
  SHA3: 'b',
  HASH160: 'b',
  CHECKSIG: 'bhh',
  CHECKMULTISIG: 'bhhhss',
  CHECKOUTPUT: 'ssasb',
};

const NAMES = Object.keys(OP) as OpcodeName[];

const EDGE_INTS: readonly bigint[] = [
  ...[MIN_INT64, MIN_INT64 + 1n, MAX_INT64, MAX_INT64 - 1n, 1n << 62n, -(1n << 62n)],
  ...[0n, 1n, -1n, 2n, 255n, 256n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 1n << 53n],
];

/** A signature of the contexts' message by a key: from the vectors. */
const SIGNED = {
  signature: hexToBytes(
    '30e52112f48f5ee4a452b4e3ea6858f9daa84e3625cd813e6bfbd9666cacf704' +
      '545c06927de2dbaf86063e88e92d153103c6bc16d7d7d19d9c5aed146f147d04',
    'signature',
  ),
  message: hexToBytes(
    '7f4a23d90de90d100754f82d6c14073b7fb466f76fd1f61b187b9f39c3ffd895',
    'message',
  ),
  key: hexToBytes('ec078a14b133d54a74ed45942e0a218f036aad12eb94984d4aea37741958e6e1', 'key'),
};

export function randomProgram(random: Random): RandomProgram {
  const gas = pick(random, [0, 30, 120, 600, 3000, 20_000]);
  return {
    program: randomBody(random, 3),
    arguments: Array.from({ length: below(random, 4) }, () => randomBytes(random)),
    gas: gas + below(random, 300),
    txVersion: BigInt(1 + below(random, 2)),
  };
}

/** A program with up to `depth` predicates inside each other. */
function randomBody(random: Random, depth: number): Uint8Array {
  const parts = Array.from({ length: 1 + below(random, 8) }, () => randomPart(random, depth));
  const program = concatBytes(...parts);
  if (random() < 0.1) return program.slice(0, below(random, program.length + 1));
  return program;
}

function randomPart(random: Random, depth: number): Uint8Array {
  const kind = random();
  if (kind < 0.03) return noise(random, below(random, 6));
  if (kind < 0.08) return randomJump(random);
  if (kind < 0.13) return randomSignature(random);
  if (kind < 0.3 && depth > 0) return randomPredicate(random, depth - 1);
  if (kind < 0.4) return pushData(randomBytes(random));
  const name = pick(random, NAMES);
  const opcode = Uint8Array.of(OP[name]);
  // A missing or unfit operand is as interesting, but ends the program.
  const kinds = random() < 0.9 ? (OPERANDS[name] ?? '') : '';
  return concatBytes(...[...kinds].map((operand) => randomOperand(random, operand)), opcode);
}

function randomOperand(random: Random, kind: string): Uint8Array {
  if (random() < 0.03) return pushData(randomBytes(random));
  switch (kind) {
    case 'i':
      return pushInt(randomInt(random));
    case 's':
      return pushInt(random() < 0.95 ? BigInt(below(random, 5)) : randomInt(random));
    case 'h':
      return pushData(noise(random, random() < 0.95 ? 32 : below(random, 40)));
    case 't':
      return random() < 0.8 ? pushInt(BigInt(below(random, 100))) : pushData(randomBytes(random));
    case 'a':
      return random() < 0.5 ? Uint8Array.of(OP.ASSET) : pushData(noise(random, 32));
    default:
      return pushData(randomBytes(random));
  }
}

/** Forward mostly; backward it loops until the gas is used up. */
function randomJump(random: Random): Uint8Array {
  const target = random() < 0.9 ? below(random, 80) : below(random, 2 ** 32);
  const bytes = new Uint8Array(5);
  bytes[0] = random() < 0.5 ? OP.JUMP : OP.JUMPIF;
  new DataView(bytes.buffer).setUint32(1, target, true);
  return bytes[0] === OP.JUMPIF ? concatBytes(randomOperand(random, 't'), bytes) : bytes;
}

function randomSignature(random: Random): Uint8Array {
  const { signature, message, key } = SIGNED;
  if (random() < 0.5) {
    return concatBytes(...[signature, message, key].map(pushData), Uint8Array.of(OP.CHECKSIG));
  }
  const keys = random() < 0.5 ? [key, noise(random, 32)] : [noise(random, 32), key];
  return concatBytes(
    ...[signature, message, ...keys].map(pushData),
    pushInt(1n),
    pushInt(2n),
    Uint8Array.of(OP.CHECKMULTISIG),
  );
}

function randomPredicate(random: Random, depth: number): Uint8Array {
  const count = random() < 0.8 ? below(random, 4) : Number(pick(random, [-1, 9, -5]));
  const limit = pick(random, [0, 0, 1, below(random, 60), below(random, 600), 2000]);
  const items = Array.from({ length: below(random, 4) }, () => pushData(randomBytes(random)));
  return concatBytes(
    ...items,
    pushInt(BigInt(count)),
    pushData(randomBody(random, depth)),
    random() < 0.97 ? pushInt(BigInt(limit)) : pushData(randomBytes(random)),
    Uint8Array.of(OP.CHECKPREDICATE),
  );
}

function randomInt(random: Random): bigint {
  const kind = random();
  if (kind < 0.4) return BigInt(below(random, 20));
  if (kind < 0.7) return pick(random, EDGE_INTS);
  const bits = BigInt(1 + below(random, 63));
  const high = BigInt(below(random, 2 ** 32)) << 32n;
  return BigInt.asIntN(64, (high | BigInt(below(random, 2 ** 32))) >> (64n - bits));
}

function randomBytes(random: Random): Uint8Array {
  const kind = random();
  if (kind < 0.15) return new Uint8Array(below(random, 4));
  if (kind < 0.25) return Uint8Array.of(below(random, 20));
  if (kind < 0.3) return new TextEncoder().encode('controlprog');
  if (kind < 0.35) return noise(random, 60 + below(random, 240));
  if (kind < 0.38) return new Uint8Array(60 + below(random, 20));
  return noise(random, below(random, 36));
}

function noise(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => below(random, 256));
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[below(random, items.length)]!;
}

function below(random: Random, end: number): number {
  return Math.floor(random() * end);
}
