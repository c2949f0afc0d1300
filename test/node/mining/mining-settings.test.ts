import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeAddress } from '../../../src/chain/address.ts';
import { MAINNET, SOLONET } from '../../../src/consensus/network.ts';
import {
  MiningSettings,
  type MiningSettingsOptions,
} from '../../../src/node/mining/mining-settings.ts';
import { SettingsFile, type SettingsStore } from '../../../src/node/mining/settings-file.ts';
import type { JsonValue } from '../../../src/util/json.ts';
import { createSilentLogger } from '../../../src/util/log.ts';

const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
const OTHER = 'sm1qmeektz3hdn3s2uu7cpfeuxvv4en6tdvsr6e3cy';
const MAINNET_ADDRESS = 'bm1qrp2fmpx675e5f5e9vwpscl8e08wpn4wqhrv0zt';

class MemoryStore implements SettingsStore {
  readonly name = 'memory';
  value: JsonValue | undefined;
  failure: Error | undefined;

  async load(): Promise<JsonValue | undefined> {
    return this.value;
  }

  async save(value: JsonValue): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.value = value;
  }
}

function open(
  store?: SettingsStore,
  options: Partial<MiningSettingsOptions> = {},
): Promise<MiningSettings> {
  const log = createSilentLogger();
  return MiningSettings.open(
    { network: SOLONET, ...options },
    store === undefined ? { log } : { store, log },
  );
}

describe('mining settings', () => {
  it('pay anybody and say nothing where nothing is set', async () => {
    const { address, program, arbitrary } = await open();
    expect([address, program, arbitrary]).toEqual([
      undefined,
      Uint8Array.of(0x51),
      new Uint8Array(0),
    ]);
  });

  it('outlive the program', async () => {
    const store = new MemoryStore();
    const before = await open(store);
    await before.setAddress(ADDRESS);
    await before.setArbitrary(Uint8Array.of(1, 2));
    const { address, program, arbitrary } = await open(store);
    expect([address, arbitrary]).toEqual([ADDRESS, Uint8Array.of(1, 2)]);
    expect(program).toEqual(decodeAddress(ADDRESS, 'sm'));
  });

  it('of the command line go before what was saved, and are not saved', async () => {
    const store = new MemoryStore();
    await (await open(store)).setAddress(ADDRESS);
    const settings = await open(store, { address: OTHER, arbitrary: Uint8Array.of(7) });
    expect([settings.address, settings.arbitrary]).toEqual([OTHER, Uint8Array.of(7)]);
    await settings.setArbitrary(Uint8Array.of(8));
    expect(store.value).toEqual({ mining_address: ADDRESS, arbitrary: '08' });
    const later = await open(store);
    expect([later.address, later.arbitrary]).toEqual([ADDRESS, Uint8Array.of(8)]);
  });

  it('refuse what is no address of this network, in the words of the reference', async () => {
    const settings = await open();
    await settings.setAddress(ADDRESS);
    for (const address of [MAINNET_ADDRESS, '', 'sm1', ADDRESS.slice(0, -1), `${ADDRESS}x`]) {
      await expect(settings.setAddress(address), address).rejects.toMatchObject({
        message: 'unknown address type',
        detail: { code: 'address' },
      });
    }
    expect(settings.address).toBe(ADDRESS);
    const mainnet = await open(undefined, { network: MAINNET, address: MAINNET_ADDRESS });
    expect(mainnet.address).toBe(MAINNET_ADDRESS);
    await expect(open(undefined, { address: MAINNET_ADDRESS })).rejects.toThrow('unknown address');
  });

  it('take 107 bytes to say, and not one more', async () => {
    const settings = await open();
    await settings.setArbitrary(new Uint8Array(107).fill(1));
    await expect(settings.setArbitrary(new Uint8Array(108))).rejects.toMatchObject({
      message: 'Arbitrary exceeds limit: 107',
      detail: { code: 'arbitrary', bytes: 108 },
    });
    expect(settings.arbitrary).toEqual(new Uint8Array(107).fill(1));
    await settings.setArbitrary(new Uint8Array(0));
    expect(settings.arbitrary).toHaveLength(0);
    await expect(open(undefined, { arbitrary: new Uint8Array(108) })).rejects.toThrow('107');
  });

  it('are what they were where they cannot be saved', async () => {
    const store = new MemoryStore();
    const settings = await open(store);
    let told = 0;
    settings.onChange(() => told++);
    store.failure = new Error('disk full');
    await expect(settings.setAddress(ADDRESS)).rejects.toThrow('disk full');
    await expect(settings.setArbitrary(Uint8Array.of(1))).rejects.toThrow('disk full');
    expect([settings.address, settings.arbitrary.length, told]).toEqual([undefined, 0, 0]);
    store.failure = undefined;
    await settings.setAddress(ADDRESS);
    expect(store.value).toEqual({ mining_address: ADDRESS });
  });

  it('changed at the same time are all saved, and everybody is told', async () => {
    const store = new MemoryStore();
    const settings = await open(store);
    const told: string[] = [];
    settings.onChange(() => {
      throw new Error('not mine');
    });
    const end = settings.onChange(() => told.push(settings.address ?? 'none'));
    const own = Uint8Array.of(9);
    const saved = settings.setArbitrary(own);
    own[0] = 0;
    await Promise.all([saved, settings.setAddress(OTHER), settings.setAddress(ADDRESS)]);
    expect(store.value).toEqual({ mining_address: ADDRESS, arbitrary: '09' });
    expect(settings.address).toBe(ADDRESS);
    expect(told).toEqual(['none', OTHER, ADDRESS]);
    end();
    await settings.setAddress(OTHER);
    expect(told).toHaveLength(3);
  });

  it('do not begin with a file that holds none of this network', async () => {
    const store = new MemoryStore();
    for (const value of [
      [],
      'text',
      { mining_address: 7 },
      { mining_address: MAINNET_ADDRESS },
      { arbitrary: 'xyz' },
      { arbitrary: '00'.repeat(108) },
    ]) {
      store.value = value;
      await expect(open(store), JSON.stringify(value)).rejects.toMatchObject({
        detail: { code: 'bad-input' },
      });
    }
    store.value = { mining_address: null, other: 1 };
    expect((await open(store)).address).toBeUndefined();
  });
});

describe('the settings file', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'mining-settings-'));
  afterAll(() => rm(directory, { recursive: true }));

  it('is there whole, and alone', async () => {
    const path = join(directory, 'mining.json');
    const file = new SettingsFile(path);
    expect(await file.load()).toBeUndefined();
    await file.save({ a: 1, b: 2n ** 63n });
    await file.save({ b: 2n ** 63n });
    expect(await readFile(path, 'utf8')).toBe('{"b":9223372036854775808}\n');
    expect(await file.load()).toEqual({ b: 2n ** 63n });
    expect(await readdir(directory)).toEqual(['mining.json']);
  });

  it('names itself where it is no JSON, or cannot be written', async () => {
    const path = join(directory, 'broken.json');
    await writeFile(path, '{"mining_addr');
    await expect(new SettingsFile(path).load()).rejects.toThrow(`${path}: expected JSON`);
    await writeFile(path, ' '.repeat(2 ** 20 + 1));
    await expect(new SettingsFile(path).load()).rejects.toThrow(path);
    const nowhere = new SettingsFile(join(directory, 'none', 'mining.json'));
    await expect(nowhere.save({})).rejects.toThrow('ENOENT');
  });
});
