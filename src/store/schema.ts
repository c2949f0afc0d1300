/**
 * Opening a database: is it one of ours, of this network, of a version that we know? An older
 * version is upgraded one step at a time, each step in one write together with its new number.
 */
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { type Change, type KeyValueStore, MAX_KEY_BYTES } from './kv.ts';
import { metaKey, SCHEMA_VERSION } from './layout.ts';
import {
  damaged,
  decodeNetwork,
  decodeU32,
  encodeNetwork,
  encodeU32,
  type NetworkRecord,
  readRecord,
} from './records.ts';
import { type NetworkIdentity, StoreError } from './store-error.ts';

/** The changes that make version n + 1 of a database of version n. */
export type SchemaUpgrade = (kv: KeyValueStore) => Iterable<Change>;

export interface Schema {
  /** The version that this program reads and writes. */
  readonly version: number;
  /** By the version that they start from. */
  readonly upgrades: ReadonlyMap<number, SchemaUpgrade>;
}

/** There was no other version yet. */
export const CURRENT_SCHEMA: Schema = { version: SCHEMA_VERSION, upgrades: new Map() };

/** The records that make an empty store a database of this network. */
export function schemaRecords(network: NetworkRecord, schema: Schema): Change[] {
  return [
    { key: metaKey('schema'), value: encodeU32(schema.version) },
    { key: metaKey('network'), value: encodeNetwork(network) },
  ];
}

/**
 * Makes sure that `kv` holds a database of this network in this schema, upgrading it if need be.
 * `false` if it is empty and may be filled. Throws `StoreError`.
 */
export function prepareSchema(kv: KeyValueStore, network: NetworkRecord, schema: Schema): boolean {
  const version = metaRecord(kv, 'schema', decodeU32);
  if (version === undefined) {
    if (!isEmpty(kv)) {
      throw damaged(kv.directory, metaKey('schema'), 'there are data, but no schema version');
    }
    if (kv.readOnly) throw new StoreError({ code: 'empty', directory: kv.directory });
    return false;
  }
  // Before the upgrade: the other network's program may still be of the older version.
  checkNetwork(kv, network);
  upgrade(kv, version, schema);
  return true;
}

function checkNetwork(kv: KeyValueStore, network: NetworkRecord): void {
  const found = metaRecord(kv, 'network', decodeNetwork);
  if (found === undefined) throw damaged(kv.directory, metaKey('network'), 'missing');
  // The name as well: testnet and solonet have the same genesis block.
  if (found.name === network.name && bytesEqual(found.genesisHash, network.genesisHash)) return;
  throw new StoreError({
    code: 'other-network',
    directory: kv.directory,
    expected: identity(network),
    got: identity(found),
  });
}

function upgrade(kv: KeyValueStore, found: number, schema: Schema): void {
  const { directory } = kv;
  const supported = schema.version;
  if (found > supported)
    throw new StoreError({ code: 'newer-schema', directory, found, supported });
  const steps = Array.from({ length: supported - found }, (_, i) => {
    const from = found + i;
    const step = schema.upgrades.get(from);
    if (step !== undefined) return { step, to: from + 1 };
    const reason = 'no-upgrade';
    throw new StoreError({ code: 'unknown-schema', directory, found, supported, reason });
  });
  if (steps.length > 0 && kv.readOnly) {
    const reason = 'read-only';
    throw new StoreError({ code: 'unknown-schema', directory, found, supported, reason });
  }
  for (const { step, to } of steps) {
    kv.write([...step(kv), { key: metaKey('schema'), value: encodeU32(to) }]);
  }
}

function metaRecord<T>(
  kv: KeyValueStore,
  name: Parameters<typeof metaKey>[0],
  decode: (value: Uint8Array) => T,
): T | undefined {
  const key = metaKey(name);
  const value = kv.get(key);
  return value === undefined ? undefined : readRecord(kv.directory, key, value, decode);
}

function isEmpty(kv: KeyValueStore): boolean {
  const everything = { from: Uint8Array.of(0), to: new Uint8Array(MAX_KEY_BYTES).fill(0xff) };
  for (const _ of kv.range({ ...everything, limit: 1 })) return false;
  return true;
}

function identity(network: NetworkRecord): NetworkIdentity {
  return { name: network.name, genesisHash: bytesToHex(network.genesisHash) };
}
