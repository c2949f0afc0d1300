/**
 * Addresses: the hash of a public key or of a script as text that people pass on.
 * Bytom 1.x consensus: "Addresses". Bech32 as in BIP-173 (not bech32m), witness version 0.
 *
 * The prefix says for which network an address is: `bm` for mainnet, `tm` and `sm` for test networks.
 * An address of one is refused on the others, where its coins would be worth nothing.
 */
import { bech32 } from '@scure/base';
import { concatBytes } from '../util/bytes.ts';
import { InputError } from '../util/errors.ts';

/** Bytes of the hash of a public key. */
export const KEY_HASH_BYTES = 20;
/** Bytes of the hash of a script. */
export const SCRIPT_HASH_BYTES = 32;

/** The control program that pays to a public key, from the RIPEMD-160 of the key (20 bytes). */
export function p2wpkhProgram(keyHash: Uint8Array): Uint8Array {
  return hashProgram(keyHash, KEY_HASH_BYTES);
}

/** The control program that pays to a script, from the SHA3-256 of the script (32 bytes). */
export function p2wshProgram(scriptHash: Uint8Array): Uint8Array {
  return hashProgram(scriptHash, SCRIPT_HASH_BYTES);
}

/** The 20 or 32 bytes that a program pays to; `undefined` for a program that has no address. */
export function programHash(program: Uint8Array): Uint8Array | undefined {
  const hash = program.subarray(2);
  const length = program[1];
  const known = length === KEY_HASH_BYTES || length === SCRIPT_HASH_BYTES;
  return known && program[0] === 0 && hash.length === length ? hash : undefined;
}

/**
 * The address of a control program on the network with `prefix`, in lower case. Throws `RangeError`
 * for a program without one: ask `programHash` first.
 */
export function encodeAddress(prefix: string, program: Uint8Array): string {
  const hash = programHash(program);
  if (hash === undefined) {
    throw new RangeError(
      `"program" expected 00 14 and 20 bytes or 00 20 and 32 bytes, got ${program.length} bytes`,
    );
  }
  return bech32.encode(prefix, [WITNESS_VERSION, ...bech32.toWords(hash)]);
}

/**
 * The control program of an address of the network with `prefix`. Throws `InputError` naming `field`
 * and why the text is none.
 */
export function decodeAddress(text: string, prefix: string, field = 'address'): Uint8Array {
  const data = dataPart(text, prefix, field);
  const [version, ...words] = decodeWords(`${prefix}1${data}`, text, field);
  if (version !== WITNESS_VERSION) {
    throw new InputError(field, 'witness version 0', version === undefined ? 'none' : `${version}`);
  }
  const hash = fromWords(words, text, field);
  switch (hash.length) {
    case KEY_HASH_BYTES:
      return p2wpkhProgram(hash);
    case SCRIPT_HASH_BYTES:
      return p2wshProgram(hash);
    default:
      throw new InputError(field, 'a hash of 20 or 32 bytes', `${hash.length} bytes in "${text}"`);
  }
}

const WITNESS_VERSION = 0;
/** Of any bech32 text; one of ours takes 62 at most. */
const MAX_LENGTH = 90;

function hashProgram(hash: Uint8Array, length: number): Uint8Array {
  if (hash.length !== length) {
    throw new RangeError(`"hash" expected ${length} bytes, got ${hash.length}`);
  }
  return concatBytes(Uint8Array.of(0, length), hash);
}

/** What follows the prefix, in lower case and of letters that can be there. */
function dataPart(text: string, prefix: string, field: string): string {
  if (text.length > MAX_LENGTH) {
    throw new InputError(field, `at most ${MAX_LENGTH} characters`, `${text.length}`);
  }
  // Before any change of case, which makes a plain "k" of a Kelvin sign.
  refuseCharacter(text, /[^!-~]/u, 0, field);
  const lower = text.toLowerCase();
  if (text !== lower && text !== text.toUpperCase()) {
    throw new InputError(field, 'letters of one case', `"${text}"`);
  }
  const separator = lower.lastIndexOf('1');
  if (separator < 1) throw new InputError(field, `an address, ${prefix}1…`, `"${text}"`);
  const found = lower.slice(0, separator);
  if (found !== prefix) {
    const expected = `an address of the network with prefix "${prefix}"`;
    throw new InputError(field, expected, `one with prefix "${found}"`);
  }
  const data = lower.slice(separator + 1);
  refuseCharacter(data, /[^02-9ac-hj-np-z]/, separator + 1, field);
  return data;
}

function refuseCharacter(text: string, bad: RegExp, base: number, field: string): void {
  const found = bad.exec(text);
  if (found === null) return;
  const at = base + found.index;
  throw new InputError(field, 'letters and digits of bech32', `"${found[0]}" at position ${at}`);
}

/** The groups of five bits before the checksum. */
function decodeWords(address: `${string}1${string}`, text: string, field: string): number[] {
  try {
    return bech32.decode(address).words;
  } catch (cause) {
    // Case, letters and greatest length are checked by now.
    const expected = 'a text whose last six characters are its checksum';
    throw new InputError(field, expected, `"${text}"`, { cause });
  }
}

function fromWords(words: number[], text: string, field: string): Uint8Array {
  try {
    return bech32.fromWords(words);
  } catch (cause) {
    throw new InputError(field, 'whole bytes, filled up with zero bits', `"${text}"`, { cause });
  }
}
