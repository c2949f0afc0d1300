import { createCipheriv, scryptSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { rootXprv, xprvToXpub } from '../../src/keys/chainkd.ts';
import {
  createKeyFile,
  type KeySecret,
  openKeyFile,
  readPublicKeyFile,
} from '../../src/keys/keyfile.ts';
import { type KeyFileDetail, KeyFileError } from '../../src/keys/keyfile-format.ts';
import { mnemonicToEntropy, mnemonicToSeed } from '../../src/keys/mnemonic.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';

const PHRASE = 'letter advice cage absurd amount doctor acoustic avoid letter advice cage above';
const PASSWORD = 'correct horse battery staple';
const CHEAP = { cheap: true } as const;

const root = rootXprv(mnemonicToSeed(PHRASE));
const phraseSecret: KeySecret = { kind: 'mnemonic', entropy: mnemonicToEntropy(PHRASE) };
const xprvSecret: KeySecret = { kind: 'xprv', xprv: root };

/** Members of a file as JSON has them, to be changed. */
type Members = Record<string, unknown> & {
  kdf: Record<string, unknown>;
  cipher: Record<string, unknown>;
};

const file = await createKeyFile(phraseSecret, PASSWORD, { ...CHEAP, alias: 'pool payouts' });

describe('a key file', () => {
  it('gives back a phrase, its root key and what is public', async () => {
    const opened = await openKeyFile(file, PASSWORD, CHEAP);
    expect(opened.secret).toEqual(phraseSecret);
    expect(bytesToHex(opened.xprv)).toBe(bytesToHex(root));
    expect(bytesToHex(opened.xpub)).toBe(bytesToHex(xprvToXpub(root)));
    expect(opened.alias).toBe('pool payouts');
  });

  it('gives back a root key that has no phrase, and no alias where none was given', async () => {
    const text = await createKeyFile(xprvSecret, PASSWORD, CHEAP);
    const opened = await openKeyFile(text, PASSWORD, CHEAP);
    expect(opened.secret).toEqual(xprvSecret);
    expect(opened.kind).toBe('xprv');
    expect(opened.alias).toBeUndefined();
  });

  it('keeps phrases of every length', async () => {
    for (const length of [16, 20, 24, 28, 32]) {
      const secret: KeySecret = { kind: 'mnemonic', entropy: new Uint8Array(length).fill(length) };
      const text = await createKeyFile(secret, PASSWORD, CHEAP);
      expect((await openKeyFile(text, PASSWORD, CHEAP)).secret).toEqual(secret);
    }
  });

  it('shows its public part without the password', () => {
    const shown = readPublicKeyFile(file);
    expect(bytesToHex(shown.xpub)).toBe(bytesToHex(xprvToXpub(root)));
    expect(shown).toMatchObject({ alias: 'pool payouts', kind: 'mnemonic' });
  });

  it('holds neither the phrase nor the key in the clear', async () => {
    const text = await createKeyFile(xprvSecret, PASSWORD, CHEAP);
    for (const secret of [root, root.subarray(0, 32), mnemonicToEntropy(PHRASE)]) {
      expect(file + text).not.toContain(bytesToHex(secret));
      expect(file + text).not.toContain(Buffer.from(secret).toString('base64'));
    }
  });

  it('never has the same salt, nonce or ciphertext twice', async () => {
    const a = members(file);
    const b = members(
      await createKeyFile(phraseSecret, PASSWORD, { ...CHEAP, alias: 'pool payouts' }),
    );
    expect(a.kdf['salt']).not.toBe(b.kdf['salt']);
    expect(a.cipher['nonce']).not.toBe(b.cipher['nonce']);
    expect(a['ciphertext']).not.toBe(b['ciphertext']);
    expect(a['xpub']).toBe(b['xpub']);
  });

  it('opens with the same password typed on another keyboard', async () => {
    const text = await createKeyFile(xprvSecret, 'M\u00fcnzstra\u00dfe', CHEAP);
    expect((await openKeyFile(text, 'Mu\u0308nzstra\u00dfe', CHEAP)).secret).toEqual(xprvSecret);
  });

  it('is what its parameters say, made by hand', async () => {
    const header = { ...members(file) };
    delete header['ciphertext'];
    delete header['tag'];
    const { format, version, alias, kind, xpub, kdf, cipher } = header;
    const key = scryptSync(PASSWORD, Buffer.from(String(kdf['salt']), 'hex'), 32, {
      N: 1024,
      r: 8,
      p: 1,
    });
    const seal = createCipheriv('aes-256-gcm', key, Buffer.from(String(cipher['nonce']), 'hex'));
    const { name, n, r, p, salt } = kdf;
    const aad = [
      [format, version, alias, kind, xpub],
      [name, n, r, p, salt],
      [cipher['name'], cipher['nonce']],
    ];
    seal.setAAD(Buffer.from(JSON.stringify(aad)));
    const ciphertext = Buffer.concat([seal.update(mnemonicToEntropy(PHRASE)), seal.final()]);
    expect(ciphertext.toString('hex')).toBe(members(file)['ciphertext']);
    expect(seal.getAuthTag().toString('hex')).toBe(members(file)['tag']);
  });

  it('leaves the secret it was given as it was', async () => {
    const secret = Uint8Array.from(root);
    await createKeyFile({ kind: 'xprv', xprv: secret }, PASSWORD, CHEAP);
    expect(bytesToHex(secret)).toBe(bytesToHex(root));
  });

  it('takes 128 MiB to derive its key unless a test says otherwise, and opens so', async () => {
    const text = await createKeyFile(xprvSecret, PASSWORD);
    expect(members(text).kdf).toMatchObject({ name: 'scrypt', n: 2 ** 17, r: 8, p: 1 });
    expect((await openKeyFile(text, PASSWORD)).secret).toEqual(xprvSecret);
  });
});

describe('openKeyFile', () => {
  it('refuses another password', async () => {
    for (const password of ['', `${PASSWORD} `, PASSWORD.toUpperCase(), 'x'.repeat(1000)]) {
      expect(await refusal(file, password)).toEqual({ code: 'wrong-password-or-damaged' });
    }
  });

  it('refuses a change of any character, or reads the same file in it', async () => {
    const whole = JSON.stringify(members(file));
    const opened: string[] = [];
    for (let at = 0; at < file.length; at++) {
      const changed = file.slice(0, at) + nextCharacter(file[at]!) + file.slice(at + 1);
      const detail = await openKeyFile(changed, PASSWORD, CHEAP).then(() => undefined, detailOf);
      if (detail === undefined) opened.push(changed);
    }
    // Spaces between members are all that may differ, and `nextCharacter` makes none of a letter.
    expect(opened.filter((text) => JSON.stringify(JSON.parse(text)) !== whole)).toEqual([]);
    expect(opened.length).toBeLessThan(80);
  }, 20_000);

  it('finds out every changed byte of ciphertext, tag, salt, nonce and xpub by the tag', async () => {
    const original = members(file);
    const texts = [
      ...flips(String(original['ciphertext'])).map((hex) => edited({ ciphertext: hex })),
      ...flips(String(original['tag'])).map((hex) => edited({ tag: hex })),
      ...flips(String(original.kdf['salt'])).map((hex) => editedKdf({ salt: hex })),
      ...flips(String(original.cipher['nonce'])).map((nonce) =>
        edited({ cipher: { ...original.cipher, nonce } }),
      ),
      ...flips(String(original['xpub'])).map((hex) => edited({ xpub: hex })),
      edited({ alias: 'pool payoutz' }),
      edited({ alias: undefined }),
      edited({ kind: 'xprv' }),
      editedKdf({ n: 2048 }),
    ];
    expect(texts.length).toBe(16 + 16 + 32 + 12 + 64 + 4);
    for (const text of texts) {
      expect(await refusal(text), text).toEqual({ code: 'wrong-password-or-damaged' });
    }
  });

  it('refuses a file that is cut off anywhere', async () => {
    const text = file.trimEnd();
    for (let length = 0; length < text.length; length += 7) {
      const detail = await refusal(text.slice(0, length));
      expect(detail, `${length}`).toEqual({ code: 'malformed', field: 'file', expected: 'JSON' });
    }
  });

  it('says that a newer program wrote it', async () => {
    expect(await refusal(edited({ version: 2 }))).toEqual({
      code: 'unsupported-version',
      supported: 1,
    });
  });

  it('names the member that is wrong', async () => {
    for (const [text, field] of [
      [edited({ format: 'other' }), 'format'],
      [edited({ version: '1' }), 'version'],
      [edited({ version: 0 }), 'version'],
      [edited({ kind: 'seed' }), 'kind'],
      [edited({ xpub: 'ab' }), 'xpub'],
      [edited({ xpub: String(members(file)['xpub']).toUpperCase() }), 'xpub'],
      [edited({ alias: '' }), 'alias'],
      [edited({ alias: 'two\nlines' }), 'alias'],
      [edited({ alias: 7 }), 'alias'],
      [edited({ ciphertext: '' }), 'ciphertext'],
      [edited({ ciphertext: 'ab'.repeat(65) }), 'ciphertext'],
      [edited({ ciphertext: undefined }), 'ciphertext'],
      [edited({ tag: 'ab'.repeat(4) }), 'tag'],
      [edited({ tag: 'ab'.repeat(17) }), 'tag'],
      [edited({ kdf: null }), 'kdf'],
      [edited({ kdf: [] }), 'kdf'],
      [editedKdf({ name: 'pbkdf2' }), 'kdf.name'],
      [editedKdf({ salt: 'xy'.repeat(32) }), 'kdf.salt'],
      [editedKdf({ salt: undefined }), 'kdf.salt'],
      [editedKdf({ more: 1 }), 'kdf'],
      [edited({ cipher: { name: 'aes-256-cbc', nonce: '00'.repeat(12) } }), 'cipher.name'],
      [edited({ cipher: { name: 'aes-256-gcm', nonce: '00'.repeat(16) } }), 'cipher.nonce'],
      [edited({ comment: 'not covered by the tag' }), 'file'],
      ['null', 'file'],
      ['[]', 'file'],
      [' '.repeat(20_000), 'file'],
      ['['.repeat(15_000), 'file'],
    ] as const) {
      expect(await refusal(text), text.slice(0, 200)).toMatchObject({ code: 'malformed', field });
    }
  });

  it('refuses a member that is there twice, of which somebody could read the other one', async () => {
    const text = JSON.stringify(members(file));
    const xpub = '00'.repeat(64);
    for (const twice of [
      text.replace('{', `{"xpub":"${xpub}",`),
      text.replace('{', `{"xp\\u0075b" : "${xpub}",`),
      text.replace('{', '{"alias":{"format":["xpub"]},'),
      text.replace('{', '{"kdf":{},'),
      text.replace('{"name":"scrypt"', '{"name":"none","name":"scrypt"'),
      text.replace('"nonce"', '"nonce":"","nonce"'),
    ]) {
      expect(JSON.stringify(JSON.parse(twice)), twice).toHaveLength(text.length);
      const expected = 'every member once';
      expect(await refusal(twice), twice).toEqual({ code: 'malformed', field: 'file', expected });
    }
    const quoted = await createKeyFile(xprvSecret, PASSWORD, { ...CHEAP, alias: '"a":1,\\' });
    expect(readPublicKeyFile(quoted).alias).toBe('"a":1,\\');
  });

  it('refuses a derivation out of bounds before it runs', async () => {
    for (const n of [1, 512, 1025, 2 ** 21, 2 ** 40, 2 ** 53, 1e300, -1024, 0.5, '1024']) {
      expect(await refusal(editedKdf({ n })), `n ${n}`).toMatchObject({ field: 'kdf.n' });
    }
    for (const r of [1, 16, 2 ** 30]) {
      expect(await refusal(editedKdf({ r })), `r ${r}`).toMatchObject({ field: 'kdf.r' });
    }
    for (const p of [2, 2 ** 30]) {
      expect(await refusal(editedKdf({ p })), `p ${p}`).toMatchObject({ field: 'kdf.p' });
    }
  });

  it('refuses the cheap derivation of tests in earnest', async () => {
    const detail = await openKeyFile(file, PASSWORD).catch(detailOf);
    expect(detail).toMatchObject({ code: 'malformed', field: 'kdf.n' });
  });

  it('never shows a value of a file, though it were the secret itself', async () => {
    const secret = bytesToHex(root);
    for (const text of [
      secret,
      PHRASE,
      JSON.stringify({ xprv: secret }),
      edited({ alias: `${secret}${secret}` }),
      edited({ kind: secret }),
      edited({ [secret]: 1 }),
      edited({ ciphertext: `${secret}zz` }),
    ]) {
      const error = await openKeyFile(text, PASSWORD, CHEAP).catch((thrown: Error) => thrown);
      expect(error).toBeInstanceOf(KeyFileError);
      const said = `${(error as Error).message} ${(error as Error).cause} ${JSON.stringify(error)}`;
      expect(said).not.toContain(secret.slice(0, 12));
      expect(said).not.toContain('letter');
    }
  });
});

describe('createKeyFile', () => {
  it('asks for a password', async () => {
    await expect(createKeyFile(xprvSecret, '', CHEAP)).rejects.toThrow(InputError);
  });

  it('refuses an alias that would break a line of a list, without showing it', async () => {
    for (const alias of ['', 'x'.repeat(65), 'a\tb', 'right\u202eleft']) {
      const made = createKeyFile(xprvSecret, PASSWORD, { ...CHEAP, alias });
      await expect(made, JSON.stringify(alias)).rejects.toThrow(
        'alias: expected 1 to 64 characters without control characters',
      );
    }
  });

  it('refuses secrets of other lengths', async () => {
    const entropy = new Uint8Array(17);
    const xprv = new Uint8Array(63);
    await expect(createKeyFile({ kind: 'mnemonic', entropy }, PASSWORD, CHEAP)).rejects.toThrow(
      '"entropy" expected',
    );
    await expect(createKeyFile({ kind: 'xprv', xprv }, PASSWORD, CHEAP)).rejects.toThrow(
      '"xprv" expected 64 bytes, got 63',
    );
  });
});

async function refusal(text: string, password: string = PASSWORD): Promise<KeyFileDetail> {
  return openKeyFile(text, password, CHEAP).then(() => {
    throw new Error(`opened: ${text}`);
  }, detailOf);
}

function detailOf(error: unknown): KeyFileDetail {
  if (error instanceof KeyFileError) return error.detail;
  throw error;
}

function members(text: string): Members {
  return JSON.parse(text) as Members;
}

/** The file with members replaced, or left out where `undefined`. */
function edited(changes: Record<string, unknown>): string {
  return JSON.stringify({ ...members(file), ...changes });
}

function editedKdf(changes: Record<string, unknown>): string {
  return edited({ kdf: { ...members(file).kdf, ...changes } });
}

/** The hex with one bit changed, once for every byte. */
function flips(hex: string): string[] {
  return [...Buffer.from(hex, 'hex').keys()].map((at) => {
    const bytes = Buffer.from(hex, 'hex');
    bytes[at]! ^= 1 << (at % 8);
    return bytes.toString('hex');
  });
}

/** Another character of the same kind: a hex digit for a hex digit. */
function nextCharacter(character: string): string {
  if (/[0-9a-f]/.test(character)) return ((Number.parseInt(character, 16) + 1) % 16).toString(16);
  return character === ' ' ? '\t' : String.fromCharCode(character.charCodeAt(0) ^ 1);
}
