import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  fingerprintOf,
  type KeysParts,
  keyAddressCommand,
  newKeyCommand,
  showKeyCommand,
} from '../../src/cli/keys-command.ts';
import type { KeyFileOptions } from '../../src/cli/keys-options.ts';
import { type NetworkName, networkByName } from '../../src/consensus/network.ts';
import { rootXprv, xprvToXpub } from '../../src/keys/chainkd.ts';
import { createKeyFile, openKeyFile } from '../../src/keys/keyfile.ts';
import { KeyFileError } from '../../src/keys/keyfile-format.ts';
import { MnemonicError, mnemonicToEntropy } from '../../src/keys/mnemonic.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { repoRoot } from '../support/repo-files.ts';

interface DerivedKey {
  readonly account: number;
  readonly change: 0 | 1;
  readonly index: number;
  readonly control_program: string;
  readonly address_mainnet: string;
  readonly address_wisdom: string;
  readonly address_solonet: string;
}

interface KeyVector {
  readonly mnemonic?: string;
  readonly seed: string;
  readonly root_xprv: string;
  readonly root_xpub: string;
  readonly derived: readonly DerivedKey[];
}

const { chainkd } = JSON.parse(
  readFileSync(join(repoRoot, 'test/vectors/keys_addresses.json'), 'utf8'),
) as { chainkd: readonly KeyVector[] };

const PHRASE = 'letter advice cage absurd amount doctor acoustic avoid letter advice cage above';
const PASSWORD = 'correct horse';
const MAINNET = networkByName('mainnet');

const folder = mkdtempSync(join(tmpdir(), 'bytom-keys-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;

/** Options for a new key file, and what the commands print with them. */
function fresh(network: NetworkName = 'mainnet'): KeyFileOptions {
  return { network: networkByName(network), key: join(folder, `key-${count++}.json`), json: true };
}

interface Said {
  readonly out: string[];
  readonly told: string[];
}

function parts(over: Partial<KeysParts> = {}): KeysParts & Said {
  const out: string[] = [];
  const told: string[] = [];
  return {
    env: { BYTOM_NODE_PASSWORD: PASSWORD },
    prompt: undefined,
    print: (text) => out.push(text),
    tell: (text) => told.push(text),
    readInput: () => Promise.resolve(PHRASE),
    cheap: true,
    out,
    told,
    ...over,
  };
}

function objectOf({ out }: Said): Readonly<Record<string, unknown>> {
  return JSON.parse(out.join('\n')) as Readonly<Record<string, unknown>>;
}

/** A key file of the vectors' `index`th key. */
async function vectorFile(index: number): Promise<string> {
  const path = join(folder, `vector-${count++}.json`);
  const xprv = hexToBytes(chainkd[index]!.root_xprv, 'root_xprv');
  writeFileSync(path, await createKeyFile({ kind: 'xprv', xprv }, PASSWORD, { cheap: true }));
  return path;
}

describe('a new key', () => {
  it('is in a file that only its owner can read, and opens with its password', async () => {
    const options = { ...fresh(), alias: 'rewards' };
    const said = parts();
    await newKeyCommand(options, said);
    expect(statSync(options.key!).mode & 0o777).toBe(0o600);
    const opened = await openKeyFile(readFileSync(options.key!, 'utf8'), PASSWORD, { cheap: true });
    expect(opened.alias).toBe('rewards');
    expect(objectOf(said)).toMatchObject({
      key: options.key,
      network: 'mainnet',
      alias: 'rewards',
      xpub: bytesToHex(opened.xpub),
      fingerprint: fingerprintOf(opened.xpub),
    });
  });

  it.each([
    ['12', 12],
    ['24', 24],
    [undefined, 12],
  ] as const)(
    'of --words %s shows its %i words once, numbered, and not in the result',
    async (words, length) => {
      const said = parts();
      await newKeyCommand({ ...fresh(), ...(words === undefined ? {} : { words }) }, said);
      const found = [...said.told.join('').matchAll(/(\d+)\. ([a-z]+)/g)];
      expect(found.map(([, number]) => Number(number))).toEqual(
        Array.from({ length }, (_, i) => i + 1),
      );
      const phrase = found.map(([, , word]) => word).join(' ');
      expect(mnemonicToEntropy(phrase)).toHaveLength((length / 3) * 4);
      expect(said.told.join('')).toContain(`recovery phrase of this key, ${length} words`);
      expect(Object.keys(objectOf(said))).not.toContain('mnemonic');
    },
  );

  it('is another one every time', async () => {
    const xpubs = new Set<unknown>();
    for (let i = 0; i < 3; i++) {
      const said = parts();
      await newKeyCommand(fresh(), said);
      xpubs.add(objectOf(said)['xpub']);
    }
    expect(xpubs.size).toBe(3);
  });

  it('shows no phrase where there is no terminal, and says how to see it', async () => {
    const options = { ...fresh(), json: false };
    const said = parts({ tell: undefined });
    await newKeyCommand(options, said);
    const phrase = await phraseIn(options.key!);
    for (const word of phrase.split(' ')) expect(said.out.join('\n')).not.toMatch(`\\b${word} `);
    expect(said.out.join('\n')).toContain('keys show --show-mnemonic');
  });

  it('with --show-mnemonic prints it, there only', async () => {
    const options = { ...fresh(), showMnemonic: true };
    const said = parts();
    await newKeyCommand(options, said);
    expect(objectOf(said)['mnemonic']).toBe(await phraseIn(options.key!));
    expect(said.told).toEqual([]);
  });

  it('goes to the data folder, which is made for its owner alone', async () => {
    const data = join(folder, `data-${count++}`);
    const said = parts();
    await newKeyCommand({ network: MAINNET, data, json: true }, said);
    expect(objectOf(said)['key']).toBe(join(data, 'keys', 'mining.json'));
    expect(statSync(data).mode & 0o777).toBe(0o700);
    expect(statSync(join(data, 'keys')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(data, 'keys'))).toEqual(['mining.json']);
  });

  it('never takes the place of a file, and asks nothing before it says so', async () => {
    const options = fresh();
    writeFileSync(options.key!, 'mine');
    const said = parts({ env: {}, readInput: () => Promise.reject(new Error('asked')) });
    const made = newKeyCommand({ ...options, restore: true }, said);
    await expect(made).rejects.toThrow(KeyFileError);
    await expect(made).rejects.toThrow(`${options.key} is there already`);
    expect(readFileSync(options.key!, 'utf8')).toBe('mine');
    expect(said.told).toEqual([]);
  });

  it('is not made where its folder is missing', async () => {
    const key = join(folder, 'no', 'key.json');
    await expect(newKeyCommand({ ...fresh(), key }, parts())).rejects.toThrow('ENOENT');
    expect(existsSync(join(folder, 'no'))).toBe(false);
  });

  it.each([
    ['none and no terminal', {}, 'password: expected a terminal to ask at, --password-file or BYT'],
    ['an empty one', { BYTOM_NODE_PASSWORD: '' }, 'password: expected a terminal to ask at'],
    ['seven characters', { BYTOM_NODE_PASSWORD: '7654321' }, 'at least 8 characters, got 7'],
    ['seven wide ones', { BYTOM_NODE_PASSWORD: '🔑'.repeat(7) }, 'at least 8 characters, got 7'],
  ])('needs a password: %s will not do', async (_name, env, text) => {
    const options = fresh();
    const made = newKeyCommand(options, parts({ env }));
    await expect(made).rejects.toThrow(InputError);
    await expect(made).rejects.toThrow(text);
    expect(existsSync(options.key!)).toBe(false);
  });
});

describe('a password file', () => {
  it('holds the password in its first line, and wins over the environment', async () => {
    const passwordFile = join(folder, 'password');
    for (const end of ['', '\n', '\r\nnot this\n']) {
      writeFileSync(passwordFile, `päss wörd ${end}`);
      const options = { ...fresh(), passwordFile };
      await newKeyCommand(options, parts());
      const text = readFileSync(options.key!, 'utf8');
      await openKeyFile(text, 'päss wörd ', { cheap: true });
    }
  });

  it.each([
    ['is empty', '', 'a password in the first line'],
    ['begins with an empty line', '\nsecret', 'a password in the first line'],
    ['is too long', 'x'.repeat(1025), 'a file of at most 1024 bytes'],
    ['is no text', Uint8Array.of(0xff, 0xfe, 0x00), 'a text in UTF-8'],
  ])('that %s is refused', async (_name, content, text) => {
    const passwordFile = join(folder, 'bad-password');
    writeFileSync(passwordFile, content);
    const made = newKeyCommand({ ...fresh(), passwordFile }, parts());
    await expect(made).rejects.toThrow(`password-file: expected ${text}`);
  });

  it('that is not there is named', async () => {
    const passwordFile = join(folder, 'nowhere');
    const made = newKeyCommand({ ...fresh(), passwordFile }, parts());
    await expect(made).rejects.toThrow('password-file: expected a readable file, got ENOENT');
  });
});

describe('a restored key', () => {
  it('is that of its phrase, however it was typed, and nobody is told the phrase', async () => {
    const options = fresh();
    const typed = `  ${PHRASE.toUpperCase().replaceAll(' ', '\n')}\n`;
    const said = parts({ readInput: () => Promise.resolve(typed) });
    await newKeyCommand({ ...options, restore: true }, said);
    expect(await phraseIn(options.key!)).toBe(PHRASE);
    expect(said.told).toEqual([]);
    expect(JSON.stringify(objectOf(said))).not.toContain('letter');
  });

  it.each([
    ['letter advice cage', 'got 3'],
    [PHRASE.replace('doctor', 'dokter'), 'word 6 of 12 is none'],
    [PHRASE.replace('above', 'absurd'), 'checksum'],
    ['', 'got 0'],
  ])('of "%s" is refused, without a word of it', async (typed, text) => {
    const options = fresh();
    const made = newKeyCommand(
      { ...options, restore: true },
      parts({ readInput: () => Promise.resolve(typed) }),
    );
    await expect(made).rejects.toThrow(MnemonicError);
    await expect(made).rejects.toThrow(text);
    expect(existsSync(options.key!)).toBe(false);
  });
});

describe('an address', () => {
  it("is that of the reference's wallet, on every network, without a password", async () => {
    for (const [index, { derived, root_xpub }] of chainkd.entries()) {
      const key = await vectorFile(index);
      for (const network of ['mainnet', 'testnet', 'solonet'] as const) {
        for (const place of derived) {
          const said = parts({ env: {} });
          const { account, index: at, change } = place;
          await keyAddressCommand(
            { ...fresh(network), key, account, index: at, change: change === 1 },
            said,
          );
          const expected = {
            mainnet: place.address_mainnet,
            testnet: place.address_wisdom,
            solonet: place.address_solonet,
          }[network];
          expect(objectOf(said)).toEqual({
            network,
            account,
            change,
            index: at,
            address: expected,
            program: place.control_program,
            fingerprint: fingerprintOf(hexToBytes(root_xpub, 'root_xpub')),
            checked: false,
          });
        }
      }
    }
  });

  it('is printed alone, ready for another command line', async () => {
    const options = { ...fresh(), key: await vectorFile(0), json: false, account: 1, index: 1 };
    const said = parts({ env: {} });
    await keyAddressCommand(options, said);
    expect(said.out).toEqual([chainkd[0]!.derived[0]!.address_mainnet]);
  });
});

describe('show', () => {
  it('tells what is public, that nothing vouches for it, and no address', async () => {
    const options = fresh();
    await newKeyCommand({ ...options, alias: 'rewards' }, parts());
    const said = parts({ env: {} });
    await showKeyCommand(options, said);
    const { xpub, fingerprint } = objectOf(said);
    expect(objectOf(said)).toEqual({
      key: options.key,
      network: 'mainnet',
      kind: 'mnemonic',
      alias: 'rewards',
      fingerprint,
      xpub,
      checked: false,
    });
  });

  it('with the password proves the file and lists addresses', async () => {
    const key = await vectorFile(0);
    const said = parts();
    await showKeyCommand({ ...fresh('solonet'), key }, said);
    const { checked, addresses, kind } = objectOf(said);
    expect([kind, checked]).toEqual(['xprv', true]);
    const expected = chainkd[0]!.derived.filter((each) => each.account === 1 && each.change === 0);
    const found = addresses as readonly { readonly index: number; readonly address: string }[];
    expect(found).toHaveLength(5);
    for (const { index, address_solonet } of expected.filter((each) => each.index <= 5)) {
      expect(found.find((each) => each.index === index)?.address).toBe(address_solonet);
    }
  });

  it('shows the phrase only if it is asked for it, and with the password', async () => {
    const options = fresh();
    await newKeyCommand({ ...options, restore: true }, parts());
    const said = parts();
    await showKeyCommand(options, said);
    expect(said.out.join('\n')).not.toContain('letter advice');
    const shown = parts();
    await showKeyCommand({ ...options, showMnemonic: true }, shown);
    expect(objectOf(shown)['mnemonic']).toBe(PHRASE);
    const without = showKeyCommand({ ...options, showMnemonic: true }, parts({ env: {} }));
    await expect(without).rejects.toThrow('password: expected a terminal');
    const none = showKeyCommand(
      { ...options, key: await vectorFile(0), showMnemonic: true },
      parts(),
    );
    await expect(none).rejects.toThrow('show-mnemonic: expected a key file with a recovery phrase');
  });

  it('with a wrong password, or after the public part was changed, is an error', async () => {
    const options = fresh();
    await newKeyCommand(options, parts());
    const wrong = showKeyCommand(options, parts({ env: { BYTOM_NODE_PASSWORD: 'another one' } }));
    await expect(wrong).rejects.toThrow('the password is wrong, or the file is damaged');
    const text = readFileSync(options.key!, 'utf8');
    const { xpub } = JSON.parse(text) as { xpub: string };
    const other = bytesToHex(xprvToXpub(rootXprv(new Uint8Array(64))));
    writeFileSync(options.key!, text.replace(xpub, other));
    const changed = showKeyCommand(options, parts());
    await expect(changed).rejects.toThrow('the password is wrong, or the file is damaged');
  });

  it.each([
    ['nothing', undefined, 'key: expected a readable file, got ENOENT'],
    ['a folder', 'folder', 'key: expected a readable file, got EISDIR'],
    ['no JSON', 'letter advice', 'key file: file: expected JSON'],
    ['other JSON', '{"a":1}', 'key file: format: expected "bytom-tensority-key"'],
    ['a large file', 'x'.repeat(40_000), 'key: expected a file of at most 32768 bytes'],
    ['a binary', Uint8Array.of(0xff), 'key: expected a text in UTF-8'],
  ])('of %s is one clear error that shows nothing of it', async (_name, content, text) => {
    const options = fresh();
    if (content === 'folder') mkdirSync(options.key!);
    else if (content !== undefined) writeFileSync(options.key!, content);
    for (const show of [
      showKeyCommand(options, parts()),
      keyAddressCommand({ ...options, account: 1, index: 1 }, parts()),
    ]) {
      const message = await show.then(
        () => 'no error',
        (error: unknown) => String(error),
      );
      expect(message).toContain(text);
      expect(message).not.toContain('letter');
    }
  });
});

async function phraseIn(path: string): Promise<string> {
  const said = parts();
  await showKeyCommand({ network: MAINNET, key: path, json: true, showMnemonic: true }, said);
  return objectOf(said)['mnemonic'] as string;
}
