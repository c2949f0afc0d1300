/**
 * Whom the blocks of a private chain pay: a key whose recovery phrase lies beside the chain, in the
 * open. Its coins are worth nothing anywhere else, and whoever plays with the chain wants to spend them.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { encodeAddress, p2wpkhProgram } from '../chain/address.ts';
import type { Network } from '../consensus/network.ts';
import {
  accountPath,
  deriveXpub,
  publicKeyHash,
  rootXprv,
  signingPublicKey,
  xprvToXpub,
} from '../keys/chainkd.ts';
import { generateMnemonic, mnemonicToSeed, parseMnemonic } from '../keys/mnemonic.ts';
import { syncDirectory, writeDurably } from '../util/whole-file.ts';

/**
 * The first address of the phrase in the file at `path`, which is made if it is not there. Rejects
 * `MnemonicError` for a file without a phrase, and what the disk rejects.
 */
export async function devnetAddress(path: string, network: Network): Promise<string> {
  const phrase = (await readPhrase(path)) ?? (await writePhrase(path));
  const root = xprvToXpub(rootXprv(mnemonicToSeed(phrase)));
  const key = signingPublicKey(deriveXpub(root, accountPath(1, 0, 1)));
  return encodeAddress(network.addressPrefix, p2wpkhProgram(publicKeyHash(key)));
}

async function readPhrase(path: string): Promise<string | undefined> {
  try {
    return parseMnemonic((await readFile(path, 'utf8')).trim());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writePhrase(path: string): Promise<string> {
  const phrase = generateMnemonic();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeDurably(path, `${phrase}\n`, 'wx');
  await syncDirectory(dirname(path));
  return phrase;
}
