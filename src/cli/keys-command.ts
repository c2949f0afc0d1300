/** `bytom-node keys`: the key that mining pays to, in an encrypted file, and its addresses. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodeAddress, p2wpkhProgram } from '../chain/address.ts';
import type { Network } from '../consensus/network.ts';
import {
  accountPath,
  deriveXpub,
  publicKeyHash,
  signingPublicKey,
  type Xpub,
} from '../keys/chainkd.ts';
import { createKeyFile, openKeyFile, readPublicKeyFile } from '../keys/keyfile.ts';
import { KeyFileError } from '../keys/keyfile-format.ts';
import { writeKeyFile } from '../keys/keyfile-write.ts';
import {
  entropyToMnemonic,
  generateMnemonic,
  mnemonicToEntropy,
  parseMnemonic,
} from '../keys/mnemonic.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { InputError } from '../util/errors.ts';
import { stringifyExact } from '../util/json.ts';
import type {
  KeyAddressOptions,
  KeyFileOptions,
  NewKeyOptions,
  ShowKeyOptions,
} from './keys-options.ts';
import { dataDirectory } from './node-parts.ts';
import { givenPassword, knownPassword, newPassword, type PasswordParts } from './password.ts';
import { readSmallText } from './small-file.ts';

export interface KeysParts extends PasswordParts {
  /** Results: standard output. */
  readonly print: (text: string) => void;
  /** Words to whoever sits there; `undefined` where they might end in a file: standard error. */
  readonly tell: ((text: string) => void) | undefined;
  /** All of standard input, for a phrase where there is no terminal. */
  readonly readInput: () => Promise<string>;
  /** For tests only: a key derivation that takes no time to run, or to break. */
  readonly cheap?: boolean;
}

const KEY_FOLDER = 'keys';
const KEY_FILE = 'mining.json';
/** Above what any key file has. */
const MAX_FILE_BYTES = 32_768;
/** What `show` lists of the first account. */
const SHOWN_ADDRESSES = 5;

/** Rejects `InputError`, `MnemonicError`, `KeyFileError`, or the file system's own error. */
export async function newKeyCommand(options: NewKeyOptions, parts: KeysParts): Promise<void> {
  const { network, alias, restore = false, showMnemonic = false } = options;
  const path = keyPath(options);
  // Before anything is asked; it is made sure of again when the file is written.
  if (existsSync(path)) throw new KeyFileError({ code: 'exists', path });
  const phrase = restore
    ? parseMnemonic(await typedPhrase(parts))
    : generateMnemonic(options.words === '24' ? 24 : 12);
  const password = await newPassword(options, parts);
  const entropy = mnemonicToEntropy(phrase);
  const settings = { ...cheapness(parts), ...(alias === undefined ? {} : { alias }) };
  const text = await createKeyFile({ kind: 'mnemonic', entropy }, password, settings);
  if (options.key === undefined) await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeKeyFile(path, text);
  await proveWritten(path, password, entropy, parts);
  if (!restore && !showMnemonic) parts.tell?.(phraseText(phrase));
  const { xpub } = readPublicKeyFile(text);
  const first = addressOf(network, xpub, FIRST);
  const result = {
    key: path,
    network: network.name,
    ...(alias === undefined ? {} : { alias }),
    fingerprint: fingerprintOf(xpub),
    xpub: bytesToHex(xpub),
    address: first.address,
    program: first.program,
    ...(showMnemonic ? { mnemonic: phrase } : {}),
  };
  printRows(options, parts, result, [
    ['key', path],
    ['fingerprint', result.fingerprint],
    ['address', first.address],
    ...(showMnemonic ? [['mnemonic', phrase] as const] : []),
    ...(!showMnemonic && !restore && parts.tell === undefined
      ? [
          [
            'mnemonic',
            'not shown, since this is no terminal: see keys show --show-mnemonic',
          ] as const,
        ]
      : []),
  ]);
}

export async function showKeyCommand(options: ShowKeyOptions, parts: KeysParts): Promise<void> {
  const { network } = options;
  const file = readKeyFile(options);
  const { alias, kind, xpub } = readPublicKeyFile(file);
  const proved = await proveFile(options, file, parts);
  const { entropy } = proved ?? {};
  if (options.showMnemonic === true && entropy === undefined) {
    throw new InputError('show-mnemonic', 'a key file with a recovery phrase', 'a root key alone');
  }
  const mnemonic =
    options.showMnemonic === true && entropy !== undefined ? entropyToMnemonic(entropy) : undefined;
  const addresses = Array.from({ length: proved === undefined ? 0 : SHOWN_ADDRESSES }, (_, at) =>
    addressOf(network, xpub, { ...FIRST, index: at + 1 }),
  );
  const result = {
    key: keyPath(options),
    network: network.name,
    kind,
    ...(alias === undefined ? {} : { alias }),
    fingerprint: fingerprintOf(xpub),
    xpub: bytesToHex(xpub),
    checked: proved !== undefined,
    ...(proved === undefined ? {} : { addresses }),
    ...(mnemonic === undefined ? {} : { mnemonic }),
  };
  printRows(options, parts, result, [
    ['key', result.key],
    ['kind', kind === 'mnemonic' ? 'recovery phrase' : 'root key'],
    ...(alias === undefined ? [] : [['alias', alias] as const]),
    ['fingerprint', result.fingerprint],
    ['xpub', result.xpub],
    ['checked', proved === undefined ? 'no: only the password can tell (--check)' : 'yes'],
    ...addresses.map(({ index, address }) => [`address ${index}`, address] as const),
    ...(mnemonic === undefined ? [] : [['mnemonic', mnemonic] as const]),
  ]);
}

/** Prints the address alone, for a command line of another program. */
export async function keyAddressCommand(
  options: KeyAddressOptions,
  parts: KeysParts,
): Promise<void> {
  const file = readKeyFile(options);
  const { xpub } = readPublicKeyFile(file);
  const proved = await proveFile(options, file, parts);
  const { account, index, network } = options;
  const change = options.change === true ? 1 : 0;
  const found = addressOf(network, xpub, { account, change, index });
  const result = {
    network: network.name,
    ...found,
    fingerprint: fingerprintOf(xpub),
    checked: proved !== undefined,
  };
  parts.print(options.json === true ? stringifyExact(result) : found.address);
}

/** First 4 bytes of the hash of the root public key: enough to tell one's own keys apart. */
export function fingerprintOf(xpub: Xpub): string {
  return bytesToHex(publicKeyHash(signingPublicKey(xpub)).subarray(0, 4));
}

interface AddressPlace {
  readonly account: number;
  readonly change: 0 | 1;
  readonly index: number;
}

interface KeyAddress extends AddressPlace {
  readonly address: string;
  readonly program: string;
}

const FIRST: AddressPlace = { account: 1, change: 0, index: 1 };

function addressOf(network: Network, xpub: Xpub, place: AddressPlace): KeyAddress {
  const child = deriveXpub(xpub, accountPath(place.account, place.change, place.index));
  const program = p2wpkhProgram(publicKeyHash(signingPublicKey(child)));
  const address = encodeAddress(network.addressPrefix, program);
  return { ...place, address, program: bytesToHex(program) };
}

function keyPath(options: KeyFileOptions): string {
  return options.key ?? join(dataDirectory(options), KEY_FOLDER, KEY_FILE);
}

function readKeyFile(options: KeyFileOptions): string {
  return readSmallText(keyPath(options), 'key', MAX_FILE_BYTES);
}

function typedPhrase({ prompt, readInput }: KeysParts): Promise<string> {
  if (prompt === undefined) return readInput();
  return prompt.ask({ field: 'restore', text: 'Recovery phrase (shown as you type): ' });
}

/** A key that cannot be opened again is money that is gone: so it is, before anybody pays to it. */
async function proveWritten(
  path: string,
  password: string,
  entropy: Uint8Array,
  parts: KeysParts,
): Promise<void> {
  const text = readSmallText(path, 'key', MAX_FILE_BYTES);
  const { secret, xprv } = await openKeyFile(text, password, cheapness(parts));
  xprv.fill(0);
  if (secret.kind !== 'mnemonic' || !bytesEqual(secret.entropy, entropy)) {
    throw new KeyFileError({ code: 'wrong-password-or-damaged' });
  }
}

/** Opens the file if there is a password, or one is to be asked for; what it holds of a phrase. */
async function proveFile(
  options: KeyFileOptions & { readonly check?: boolean; readonly showMnemonic?: boolean },
  file: string,
  parts: KeysParts,
): Promise<{ readonly entropy: Uint8Array | undefined } | undefined> {
  const isWanted = options.check === true || options.showMnemonic === true;
  if (!isWanted && givenPassword(options, parts) === undefined) return undefined;
  const { secret, xprv } = await openKeyFile(
    file,
    await knownPassword(options, parts),
    cheapness(parts),
  );
  xprv.fill(0);
  return { entropy: secret.kind === 'mnemonic' ? secret.entropy : undefined };
}

function cheapness({ cheap }: KeysParts): { readonly cheap?: boolean } {
  return cheap === undefined ? {} : { cheap };
}

/** The phrase as it is written down, with what there is to know about it. */
function phraseText(phrase: string): string {
  const words = phrase.split(' ');
  const cells = words.map((word, at) => `${String(at + 1).padStart(4)}. ${word.padEnd(10)}`);
  const rows = Array.from({ length: Math.ceil(cells.length / 4) }, (_, row) =>
    cells
      .slice(4 * row, 4 * row + 4)
      .join('')
      .trimEnd(),
  );
  return [
    '',
    `The recovery phrase of this key, ${words.length} words:`,
    '',
    ...rows,
    '',
    'Write it down on paper, in this order, now. Whoever has these words has the coins; whoever has',
    'neither them nor the file with its password has lost them. They are not shown again unless you',
    'ask for them with the password: bytom-node keys show --show-mnemonic',
    '',
    '',
  ].join('\n');
}

function printRows(
  { json }: KeyFileOptions,
  { print }: KeysParts,
  result: object,
  rows: readonly (readonly [string, string])[],
): void {
  print(
    json === true
      ? stringifyExact(result)
      : rows.map(([name, value]) => `${name.padEnd(12)}  ${value}`).join('\n'),
  );
}
