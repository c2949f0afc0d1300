/**
 * BIP-39 phrases: the English list, no passphrase. Bytom 1.x keys: "Keys for receiving rewards".
 *
 * A phrase is money. No error here says any of it: a wrong word is named by its place, and a phrase
 * or a cause that holds one is never part of a message.
 */
import * as bip39 from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { CodedError } from '../util/errors.ts';

export type WordCount = 12 | 15 | 18 | 21 | 24;

const WORD_COUNTS: readonly number[] = [12, 15, 18, 21, 24] satisfies readonly WordCount[];
const KNOWN_WORDS: ReadonlySet<string> = new Set(wordlist);

export type MnemonicDetail =
  | { readonly code: 'word-count'; readonly count: number }
  /** `position` counts from 1, as people count the words on their paper. */
  | { readonly code: 'unknown-word'; readonly position: number; readonly count: number }
  /** Every word is in the list: one of them is another one, or two have changed places. */
  | { readonly code: 'bad-checksum'; readonly count: number };

export class MnemonicError extends CodedError<MnemonicDetail> {
  constructor(detail: MnemonicDetail) {
    super(mnemonicMessage(detail), detail);
  }
}

/** A new phrase from the system's random numbers: 128 bits of entropy in 12 words, 256 in 24. */
export function generateMnemonic(words: WordCount = 12): string {
  if (!WORD_COUNTS.includes(words)) {
    throw new RangeError(`"words" expected 12, 15, 18, 21 or 24, got ${words}`);
  }
  return bip39.generateMnemonic(wordlist, (words / 3) * 32);
}

/**
 * The phrase in the one form that seeds are made from: lower case, one space between words. Throws a
 * `MnemonicError` where it is not one.
 */
export function parseMnemonic(text: string): string {
  const words = text.normalize('NFKD').toLowerCase().split(/\s+/).filter(Boolean);
  const count = words.length;
  if (!WORD_COUNTS.includes(count)) throw new MnemonicError({ code: 'word-count', count });
  const wrong = words.findIndex((word) => !KNOWN_WORDS.has(word));
  if (wrong >= 0) throw new MnemonicError({ code: 'unknown-word', position: wrong + 1, count });
  const phrase = words.join(' ');
  if (!bip39.validateMnemonic(phrase, wordlist)) {
    throw new MnemonicError({ code: 'bad-checksum', count });
  }
  return phrase;
}

/** The 64-byte seed that `rootXprv` takes. Throws a `MnemonicError`. */
export function mnemonicToSeed(text: string): Uint8Array {
  return bip39.mnemonicToSeedSync(parseMnemonic(text));
}

/** The 16 to 32 bytes that the phrase spells. Throws a `MnemonicError`. */
export function mnemonicToEntropy(text: string): Uint8Array {
  return bip39.mnemonicToEntropy(parseMnemonic(text), wordlist);
}

/** The phrase that spells `entropy`: 16, 20, 24, 28 or 32 bytes. */
export function entropyToMnemonic(entropy: Uint8Array): string {
  if (!isEntropyLength(entropy.length)) {
    throw new RangeError(`"entropy" expected 16, 20, 24, 28 or 32 bytes, got ${entropy.length}`);
  }
  return bip39.entropyToMnemonic(entropy, wordlist);
}

export function isEntropyLength(length: number): boolean {
  return WORD_COUNTS.some((words) => (words / 3) * 4 === length);
}

function mnemonicMessage(detail: MnemonicDetail): string {
  switch (detail.code) {
    case 'word-count':
      return `recovery phrase: expected 12, 15, 18, 21 or 24 words, got ${detail.count}`;
    case 'unknown-word':
      return `recovery phrase: expected words of the BIP-39 English list, word ${detail.position} of ${detail.count} is none`;
    case 'bad-checksum':
      return `recovery phrase: the checksum of its ${detail.count} words is wrong: a word is mistaken or out of place`;
  }
}
