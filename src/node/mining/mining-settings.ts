/**
 * Whom blocks pay and what their coinbases say. Bytom 1.x mining API, "CPU miner and settings";
 * consensus, "Coinbase".
 *
 * In the reference a change acts from the next template on; here a new template is made at once
 * (`Templates`), since whoever changes the address wants no more blocks to pay the old one, and nothing
 * is lost by it: work on the templates before it still counts.
 */
import { decodeAddress } from '../../chain/address.ts';
import type { Network } from '../../consensus/network.ts';
import { bytesToHex, hexToBytes } from '../../util/bytes.ts';
import { CodedError, errorText, InputError } from '../../util/errors.ts';
import { isObject, optionalText } from '../../util/json-fields.ts';
import type { Logger } from '../../util/log.ts';
import type { SettingsStore } from './settings-file.ts';

export interface MiningSettingsOptions {
  readonly network: Pick<Network, 'addressPrefix'>;
  /** What the command line says; it goes before what was saved, and is not saved itself. */
  readonly address?: string;
  readonly arbitrary?: Uint8Array;
}

export interface MiningSettingsParts {
  /** Without it, settings last as long as the program. */
  readonly store?: SettingsStore;
  readonly log: Logger;
}

export type MiningSettingsErrorDetail =
  | { readonly code: 'address'; readonly reason: string }
  | { readonly code: 'arbitrary'; readonly bytes: number };

/** The texts are the reference's; why an address is none, the detail says. */
class MiningSettingsError extends CodedError<MiningSettingsErrorDetail> {
  constructor(detail: MiningSettingsErrorDetail, options?: ErrorOptions) {
    super(
      detail.code === 'address'
        ? 'unknown address type'
        : `Arbitrary exceeds limit: ${MAX_ARBITRARY_BYTES}`,
      detail,
      options,
    );
  }
}

/** Most bytes that the miner may add to a coinbase. */
export const MAX_ARBITRARY_BYTES = 107;

/** `TRUE`: what the reference pays to where it has no address. Anybody can take it. */
const ANYBODY = Uint8Array.of(0x51);
const NOTHING = new Uint8Array(0);

interface Saved {
  readonly address?: string;
  readonly arbitrary?: Uint8Array;
}

export class MiningSettings {
  readonly #prefix: string;
  readonly #parts: MiningSettingsParts;
  readonly #listeners = new Set<() => void>();
  #saved: Saved;
  #saving: Promise<void> = Promise.resolve();
  #address: string | undefined;
  #program: Uint8Array;
  #arbitrary: Uint8Array;

  private constructor(options: MiningSettingsOptions, saved: Saved, parts: MiningSettingsParts) {
    this.#prefix = options.network.addressPrefix;
    this.#parts = parts;
    this.#saved = saved;
    const { address = saved.address, arbitrary = saved.arbitrary ?? NOTHING } = options;
    this.#address = address;
    this.#program = address === undefined ? ANYBODY : this.#programOf(address);
    this.#arbitrary = checkedArbitrary(arbitrary);
  }

  /**
   * Reads what was saved. Rejects `MiningSettingsError` for a bad option, `InputError` for a file that
   * holds no settings of this network: blocks that pay nobody would be the worse outcome.
   */
  static async open(
    options: MiningSettingsOptions,
    parts: MiningSettingsParts,
  ): Promise<MiningSettings> {
    const { store } = parts;
    const saved = store === undefined ? {} : await loadSaved(store, options.network.addressPrefix);
    return new MiningSettings(options, saved, parts);
  }

  /** As it was given; `undefined` if there is none. */
  get address(): string | undefined {
    return this.#address;
  }

  /** Whom the coinbase pays; `TRUE` if there is no address. */
  get program(): Uint8Array {
    return this.#program;
  }

  /** What stands in the coinbase after the height. Never written to. */
  get arbitrary(): Uint8Array {
    return this.#arbitrary;
  }

  /**
   * Any address of this network, whoever's. Rejects `MiningSettingsError`, or what the disk does, and
   * then nothing has changed.
   */
  async setAddress(address: string): Promise<void> {
    const program = this.#programOf(address);
    await this.#save({ address });
    this.#address = address;
    this.#program = program;
    this.#changed({ address });
  }

  /** At most 107 bytes. Rejects as `setAddress` does. */
  async setArbitrary(arbitrary: Uint8Array): Promise<void> {
    const own = checkedArbitrary(arbitrary).slice();
    await this.#save({ arbitrary: own });
    this.#arbitrary = own;
    this.#changed({ arbitrary: bytesToHex(own) });
  }

  /** Called after every change. Returns how to end it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #programOf(address: string): Uint8Array {
    try {
      return decodeAddress(address, this.#prefix);
    } catch (cause) {
      throw new MiningSettingsError({ code: 'address', reason: errorText(cause) }, { cause });
    }
  }

  /** One after the other, each on top of the one before. */
  async #save(change: Saved): Promise<void> {
    const { store } = this.#parts;
    const save = this.#saving.then(async () => {
      const saved = { ...this.#saved, ...change };
      const { address, arbitrary } = saved;
      await store?.save({
        ...(address === undefined ? {} : { mining_address: address }),
        ...(arbitrary === undefined ? {} : { arbitrary: bytesToHex(arbitrary) }),
      });
      this.#saved = saved;
    });
    // A failed one concerns its caller alone.
    this.#saving = save.catch(() => {});
    return save;
  }

  #changed(what: { readonly address?: string; readonly arbitrary?: string }): void {
    const { log } = this.#parts;
    log.info('mining settings changed', what);
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        log.error('settings listener failed', { reason: errorText(error) });
      }
    }
  }
}

function checkedArbitrary(arbitrary: Uint8Array): Uint8Array {
  const { length } = arbitrary;
  if (length > MAX_ARBITRARY_BYTES) {
    throw new MiningSettingsError({ code: 'arbitrary', bytes: length });
  }
  return arbitrary;
}

async function loadSaved(store: SettingsStore, prefix: string): Promise<Saved> {
  const value = await store.load();
  if (value === undefined) return {};
  if (!isObject(value)) throw new InputError(store.name, 'an object of settings', `${value}`);
  const address = optionalText(value, store.name, 'mining_address');
  const hex = optionalText(value, store.name, 'arbitrary');
  const arbitrary = hex === undefined ? undefined : hexToBytes(hex, `${store.name}.arbitrary`);
  if (address !== undefined) decodeAddress(address, prefix, `${store.name}.mining_address`);
  if (arbitrary !== undefined && arbitrary.length > MAX_ARBITRARY_BYTES) {
    const expected = `at most ${MAX_ARBITRARY_BYTES} bytes`;
    throw new InputError(`${store.name}.arbitrary`, expected, `${arbitrary.length}`);
  }
  return {
    ...(address === undefined ? {} : { address }),
    ...(arbitrary === undefined ? {} : { arbitrary }),
  };
}
