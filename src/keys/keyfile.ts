/**
 * An encrypted key file: JSON, so that people see what it is; scrypt and AES-256-GCM over the secret.
 *
 * Everything but ciphertext and tag is readable without the password and authenticated with it: a
 * changed xpub or alias is found out when the file is opened, not before. Who reads only the public
 * part trusts whoever can write the file.
 *
 * The file says how dear its key derivation is, so a hostile one could ask for any amount of memory:
 * parameters out of bounds are refused before anything runs.
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { bytesEqual, bytesToHex, hexToBytes } from '../util/bytes.ts';
import { InputError } from '../util/errors.ts';
import { rootXprv, type Xprv, type Xpub, xprvToXpub } from './chainkd.ts';
import {
  ALIAS_FORM,
  FORMAT,
  type Header,
  headerBytes,
  isAlias,
  KeyFileError,
  malformed,
  type ParsedKeyFile,
  parseKeyFile,
  VERSION,
} from './keyfile-format.ts';
import { entropyToMnemonic, isEntropyLength, mnemonicToSeed } from './mnemonic.ts';

/** scrypt's N: 128 MiB and about half a second. A cheap one is guessed a hundred times as fast. */
const STANDARD_N = 2 ** 17;
const CHEAP_N = 2 ** 10;
/** What is opened: 32 MiB to 1 GiB. */
const LEAST_N = 2 ** 15;
const MOST_N = 2 ** 20;
const BLOCK_SIZE = 8;
const PARALLEL = 1;

const CIPHER = 'aes-256-gcm';
const XPRV_BYTES = 64;

/** What a file keeps: a phrase as its entropy, or the root key alone where there is no phrase. */
export type KeySecret =
  | { readonly kind: 'mnemonic'; readonly entropy: Uint8Array }
  | { readonly kind: 'xprv'; readonly xprv: Xprv };

export interface KeyFileOptions {
  /** For tests only: a derivation that takes no time to run, or to break. */
  readonly cheap?: boolean;
}

export interface CreateKeyFileOptions extends KeyFileOptions {
  /** A name for people: 1 to 64 characters, no control characters. Not secret. */
  readonly alias?: string;
}

/** What can be read without the password. Not authenticated. */
export interface PublicKeyFile {
  readonly alias: string | undefined;
  readonly xpub: Xpub;
  readonly kind: KeySecret['kind'];
}

export interface OpenedKeyFile extends PublicKeyFile {
  readonly secret: KeySecret;
  /** The root key of either kind. Overwrite it when done. */
  readonly xprv: Xprv;
}

/** The text of a key file. `InputError` for an empty password or an alias that is none. */
export async function createKeyFile(
  secret: KeySecret,
  password: string,
  options: CreateKeyFileOptions = {},
): Promise<string> {
  if (password === '') throw new InputError('password', 'at least one character', 'none');
  const plaintext = secret.kind === 'mnemonic' ? secret.entropy : secret.xprv;
  const xprv = xprvOf(secret);
  const header: Header = {
    format: FORMAT,
    version: VERSION,
    ...(options.alias === undefined ? {} : { alias: checkedAlias(options.alias) }),
    kind: secret.kind,
    xpub: bytesToHex(xprvToXpub(xprv)),
    kdf: {
      name: 'scrypt',
      n: options.cheap === true ? CHEAP_N : STANDARD_N,
      r: BLOCK_SIZE,
      p: PARALLEL,
      salt: bytesToHex(randomBytes(32)),
    },
    cipher: { name: CIPHER, nonce: bytesToHex(randomBytes(12)) },
  };
  if (secret.kind === 'mnemonic') xprv.fill(0);
  const key = await deriveKey(header, password);
  try {
    const cipher = createCipheriv(CIPHER, key, hexToBytes(header.cipher.nonce, 'nonce'));
    cipher.setAAD(headerBytes(header));
    const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]).toString('hex');
    const tag = cipher.getAuthTag().toString('hex');
    return `${JSON.stringify({ ...header, ciphertext, tag }, null, 2)}\n`;
  } finally {
    key.fill(0);
  }
}

/** The public part of a key file. Throws a `KeyFileError`. */
export function readPublicKeyFile(text: string): PublicKeyFile {
  return publicPart(parseKeyFile(text).header);
}

/**
 * The secret of a key file. Throws a `KeyFileError`; a wrong password and a changed byte are the
 * same to it.
 */
export async function openKeyFile(
  text: string,
  password: string,
  options: KeyFileOptions = {},
): Promise<OpenedKeyFile> {
  const file = parseKeyFile(text);
  checkCost(file.header, options.cheap === true ? CHEAP_N : LEAST_N);
  const key = await deriveKey(file.header, password);
  const secret = secretOf(file.header.kind, decrypt(file, key));
  const xprv = xprvOf(secret);
  // Authenticated, so only a program that writes nonsense gets here.
  if (!bytesEqual(xprvToXpub(xprv), hexToBytes(file.header.xpub, 'xpub'))) {
    throw malformed('xpub', 'the public key of the secret');
  }
  return { ...publicPart(file.header), secret, xprv };
}

function publicPart(header: Header): PublicKeyFile {
  return { alias: header.alias, xpub: hexToBytes(header.xpub, 'xpub'), kind: header.kind };
}

/** The secret's bytes. Overwrites `key`. */
function decrypt({ header, ciphertext, tag }: ParsedKeyFile, key: Uint8Array): Uint8Array {
  const nonce = hexToBytes(header.cipher.nonce, 'nonce');
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: 16 });
  decipher.setAAD(headerBytes(header));
  decipher.setAuthTag(tag);
  const plaintext = decipher.update(ciphertext);
  try {
    decipher.final();
    return Uint8Array.from(plaintext);
  } catch {
    // Not passed on as a cause: it says nothing more.
    throw new KeyFileError({ code: 'wrong-password-or-damaged' });
  } finally {
    plaintext.fill(0);
    key.fill(0);
  }
}

function secretOf(kind: KeySecret['kind'], plaintext: Uint8Array): KeySecret {
  if (kind === 'mnemonic') {
    if (isEntropyLength(plaintext.length)) return { kind, entropy: plaintext };
    throw malformed('ciphertext', 'the entropy of a phrase');
  }
  if (plaintext.length === XPRV_BYTES) return { kind, xprv: plaintext };
  throw malformed('ciphertext', `${XPRV_BYTES} bytes`);
}

/** The root key; for a phrase an array of its own. */
function xprvOf(secret: KeySecret): Xprv {
  if (secret.kind === 'xprv') return secret.xprv;
  const seed = mnemonicToSeed(entropyToMnemonic(secret.entropy));
  const xprv = rootXprv(seed);
  seed.fill(0);
  return xprv;
}

function checkCost({ kdf }: Header, least: number): void {
  const isPower = Number.isInteger(Math.log2(kdf.n));
  if (!isPower || kdf.n < least || kdf.n > MOST_N) {
    throw malformed('kdf.n', `a power of two from ${least} to ${MOST_N}`);
  }
  if (kdf.r !== BLOCK_SIZE) throw malformed('kdf.r', String(BLOCK_SIZE));
  if (kdf.p !== PARALLEL) throw malformed('kdf.p', String(PARALLEL));
}

/** 32 bytes. On a thread of the pool: the caller's event loop goes on. */
function deriveKey({ kdf }: Header, password: string): Promise<Uint8Array> {
  // One password, however a keyboard composes its accents.
  const secret = Buffer.from(password.normalize('NFKC'), 'utf8');
  const salt = hexToBytes(kdf.salt, 'salt');
  const needed = 128 * kdf.n * kdf.r;
  const options = { N: kdf.n, r: kdf.r, p: kdf.p, maxmem: needed + 2 ** 20 };
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, 32, options, (error, key) => {
      secret.fill(0);
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function checkedAlias(alias: string): string {
  if (isAlias(alias)) return alias;
  throw new InputError('alias', ALIAS_FORM, `${alias.length} other ones`);
}
