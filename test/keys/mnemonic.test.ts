import { describe, expect, it } from 'vitest';
import {
  entropyToMnemonic,
  generateMnemonic,
  type MnemonicDetail,
  MnemonicError,
  mnemonicToEntropy,
  mnemonicToSeed,
  parseMnemonic,
} from '../../src/keys/mnemonic.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';

const PHRASE = 'legal winner thank year wave sausage worth useful legal winner thank yellow';
const random = seededRandom(39);

describe('parseMnemonic', () => {
  it('returns a valid phrase as it is', () => {
    expect(parseMnemonic(PHRASE)).toBe(PHRASE);
  });

  it('takes capitals, line breaks and spare spaces, which change no key', () => {
    const typed = `  ${PHRASE.toUpperCase().replaceAll(' ', '\n \t')}\r\n`;
    expect(parseMnemonic(typed)).toBe(PHRASE);
    expect(bytesToHex(mnemonicToSeed(typed))).toBe(bytesToHex(mnemonicToSeed(PHRASE)));
  });

  it('names the place of the first word that is not in the list', () => {
    const words = PHRASE.split(' ');
    for (const position of [1, 5, 12]) {
      const detail = refusal(words.with(position - 1, 'mistyped').join(' '));
      expect(detail).toEqual({ code: 'unknown-word', position, count: 12 });
    }
    // Four letters tell the words apart, but a phrase is made of whole ones.
    expect(refusal(words.with(3, 'yea').join(' '))).toMatchObject({ position: 4 });
  });

  it('refuses words in another order, and another last word', () => {
    const words = PHRASE.split(' ');
    const swapped = words.with(0, words[1]!).with(1, words[0]!);
    expect(refusal(swapped.join(' '))).toEqual({ code: 'bad-checksum', count: 12 });
    expect(refusal(words.with(11, 'zoo').join(' '))).toEqual({ code: 'bad-checksum', count: 12 });
  });

  it('counts the words', () => {
    for (const count of [0, 1, 11, 13, 14, 16, 23, 25, 27]) {
      expect(refusal(Array(count).fill('zoo').join(' '))).toEqual({ code: 'word-count', count });
    }
  });

  it('says no word of the phrase in any error, nor in its cause', () => {
    const words = PHRASE.split(' ');
    for (const text of [
      words.slice(1).join(' '),
      words.with(4, 'hunter2').join(' '),
      words.with(11, 'zoo').join(' '),
    ]) {
      const error = errorOf(text);
      const said = `${error.message} ${JSON.stringify(error.detail)} ${error.cause}`.toLowerCase();
      for (const word of text.split(' ')) {
        expect(said.split(/[^a-z0-9]+/), word).not.toContain(word);
      }
    }
  });
});

describe('generateMnemonic', () => {
  it('makes a valid phrase of each length, never the same', () => {
    for (const words of [12, 15, 18, 21, 24] as const) {
      const phrase = generateMnemonic(words);
      expect(phrase.split(' ')).toHaveLength(words);
      expect(parseMnemonic(phrase)).toBe(phrase);
      expect(generateMnemonic(words)).not.toBe(phrase);
    }
    expect(generateMnemonic().split(' ')).toHaveLength(12);
  });

  it('refuses other lengths', () => {
    expect(() => generateMnemonic(13 as 12)).toThrow(
      '"words" expected 12, 15, 18, 21 or 24, got 13',
    );
  });
});

describe('entropy', () => {
  it('of the standard test phrase is 7f repeated', () => {
    expect(bytesToHex(mnemonicToEntropy(PHRASE))).toBe('7f'.repeat(16));
    expect(entropyToMnemonic(new Uint8Array(16).fill(0x7f))).toBe(PHRASE);
  });

  it('comes back from its phrase', () => {
    for (const length of [16, 20, 24, 28, 32]) {
      const entropy = Uint8Array.from({ length }, () => Math.floor(random() * 256));
      expect(bytesToHex(mnemonicToEntropy(entropyToMnemonic(entropy)))).toBe(bytesToHex(entropy));
    }
  });

  it('of another length is refused', () => {
    for (const length of [0, 15, 17, 36, 64]) {
      expect(() => entropyToMnemonic(new Uint8Array(length))).toThrow(`got ${length}`);
    }
  });
});

describe('mnemonicToSeed', () => {
  it('makes no seed of a phrase with a wrong checksum', () => {
    expect(() => mnemonicToSeed(PHRASE.replace('yellow', 'zoo'))).toThrow(MnemonicError);
  });
});

function refusal(text: string): MnemonicDetail {
  return errorOf(text).detail;
}

function errorOf(text: string): MnemonicError {
  try {
    parseMnemonic(text);
  } catch (error) {
    if (error instanceof MnemonicError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}
