import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeAddress } from '../../src/chain/address.ts';
import { SOLONET } from '../../src/consensus/network.ts';
import { devnetAddress } from '../../src/devnet/wallet.ts';
import { MnemonicError, parseMnemonic } from '../../src/keys/mnemonic.ts';

const folder = mkdtempSync(join(tmpdir(), 'bytom-devnet-wallet-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
const freshPath = (): string => join(folder, `wallet-${count++}`, 'mnemonic');

/** A phrase in the file of a wallet. */
function withPhrase(text: string): string {
  const path = join(folder, `mnemonic-${count++}`);
  writeFileSync(path, text);
  return path;
}

describe('the address that a private chain pays', () => {
  it('is of a new phrase where there is none, and the same ever after', async () => {
    const path = freshPath();
    const address = await devnetAddress(path, SOLONET);
    expect(decodeAddress(address, SOLONET.addressPrefix, 'address')).toHaveLength(22);
    const phrase = readFileSync(path, 'utf8');
    expect(parseMnemonic(phrase.trim()).split(' ')).toHaveLength(12);
    expect(phrase.endsWith('\n')).toBe(true);
    expect(await devnetAddress(path, SOLONET)).toBe(address);
    expect(readFileSync(path, 'utf8')).toBe(phrase);
    // Written beside and renamed: nothing else is left there.
    expect(readdirSync(join(path, '..'))).toEqual(['mnemonic']);
  });

  it('is another one for another phrase', async () => {
    const addresses = await Promise.all(
      [freshPath(), freshPath()].map((p) => devnetAddress(p, SOLONET)),
    );
    expect(new Set(addresses).size).toBe(2);
  });

  it.skipIf(process.platform === 'win32')('is nobody else’s to read', async () => {
    const path = freshPath();
    await devnetAddress(path, SOLONET);
    expect(statSync(path).mode & 0o077).toBe(0);
    expect(statSync(join(path, '..')).mode & 0o077).toBe(0);
  });

  it.each(knownWallets())('is the first of %s, as bytomd derives it', async (phrase, address) => {
    expect(await devnetAddress(withPhrase(`${phrase}\n`), SOLONET)).toBe(address);
    // As people copy it.
    expect(await devnetAddress(withPhrase(`  ${phrase}  \n\n`), SOLONET)).toBe(address);
  });

  it('is refused for a file without a phrase, which stays as it is', async () => {
    for (const text of ['', 'not a phrase at all\n', `${'abandon '.repeat(12)}\n`]) {
      const path = withPhrase(text);
      await expect(devnetAddress(path, SOLONET)).rejects.toBeInstanceOf(MnemonicError);
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
  });

  it('is refused where nothing can be written', async () => {
    const path = join(withPhrase('a file, not a folder'), 'mnemonic');
    await expect(devnetAddress(path, SOLONET)).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});

/** Phrases, with the address of the first key of their first account. */
function knownWallets(): readonly (readonly [phrase: string, address: string])[] {
  const url = new URL('../vectors/keys_addresses.json', import.meta.url);
  const { chainkd } = JSON.parse(readFileSync(url, 'utf8')) as {
    readonly chainkd: readonly {
      readonly mnemonic: string;
      readonly derived: readonly {
        readonly account: number;
        readonly change: number;
        readonly index: number;
        readonly address_solonet: string;
      }[];
    }[];
  };
  return chainkd.map(({ mnemonic, derived }) => {
    const first = derived.find((key) => key.account === 1 && key.change === 0 && key.index === 1);
    return [mnemonic, first!.address_solonet];
  });
}
