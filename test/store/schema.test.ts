import { describe, expect, it } from 'vitest';
import { ChainStore } from '../../src/store/chain-store.ts';
import type { KeyValueStore } from '../../src/store/kv.ts';
import { metaKey, SCHEMA_VERSION } from '../../src/store/layout.ts';
import { MemoryKv } from '../../src/store/memory-kv.ts';
import { encodeU32 } from '../../src/store/records.ts';
import { CURRENT_SCHEMA, type Schema, type SchemaUpgrade } from '../../src/store/schema.ts';
import { StoreError, type StoreErrorDetail } from '../../src/store/store-error.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { sampleBlock, sampleNetwork } from './sample-chain.ts';

const network = sampleNetwork();
const NOTE = Uint8Array.of(0x7a, 1);

function filled(): MemoryKv {
  const kv = new MemoryKv();
  ChainStore.open(kv, { network });
  return kv;
}

function refusal(kv: KeyValueStore, options: { schema?: Schema; name?: string } = {}): StoreError {
  try {
    const { name = network.name, schema = CURRENT_SCHEMA } = options;
    ChainStore.open(kv, { network: { ...network, name }, schema });
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

function withVersion(version: number): MemoryKv {
  const kv = filled();
  kv.write([{ key: metaKey('schema'), value: encodeU32(version) }]);
  return kv;
}

/** The same store as its readers see it. */
function readOnly(kv: MemoryKv): KeyValueStore {
  return {
    directory: kv.directory,
    readOnly: true,
    get: (key) => kv.get(key),
    range: (range) => kv.range(range),
    write: () => {
      throw new Error('opened for reading only');
    },
    close: () => kv.close(),
  };
}

/** Appends its step to a note in the store. */
function step(name: number): SchemaUpgrade {
  return (kv) => [{ key: NOTE, value: Uint8Array.of(...(kv.get(NOTE) ?? []), name) }];
}

describe('the network of a database', () => {
  it('must be the one asked for, by its genesis block and by its name', () => {
    const kv = filled();
    const other = sampleBlock(undefined, 4);
    const open = (genesis = network.genesis): unknown =>
      ChainStore.open(kv, { network: { ...network, genesis } });
    expect(open).not.toThrow();
    const [ours, theirs] = [bytesToHex(network.genesis.hash), bytesToHex(other.hash)];
    expect(() => open(other)).toThrow(
      `(memory): holds the chain of sample (genesis ${ours}), not of sample (genesis ${theirs}); ` +
        'choose that network or another data directory',
    );
    // Two of the networks have the same genesis block.
    expect(refusal(kv, { name: 'solonet' }).detail).toEqual({
      code: 'other-network',
      directory: '(memory)',
      expected: { name: 'solonet', genesisHash: ours },
      got: { name: 'sample', genesisHash: ours },
    });
  });

  it('is asked before anything is upgraded', () => {
    const kv = withVersion(0);
    const schema = { version: 1, upgrades: new Map([[0, step(1)]]) };
    expect(refusal(kv, { name: 'solonet', schema }).detail.code).toBe('other-network');
    expect(kv.get(NOTE)).toBeUndefined();
  });
});

describe('the schema of a database', () => {
  it('is written into a new one', () => {
    expect(filled().get(metaKey('schema'))).toEqual(encodeU32(SCHEMA_VERSION));
  });

  it('is refused if it is newer, saying what to do', () => {
    const error = refusal(withVersion(SCHEMA_VERSION + 1));
    const detail: StoreErrorDetail = {
      code: 'newer-schema',
      directory: '(memory)',
      found: SCHEMA_VERSION + 1,
      supported: SCHEMA_VERSION,
    };
    expect(error.detail).toEqual(detail);
    expect(error.message).toBe(
      `(memory): written with schema ${SCHEMA_VERSION + 1}, this program knows up to ` +
        `${SCHEMA_VERSION}; use the newer version that wrote it, or import into a new directory`,
    );
  });

  it('is upgraded step by step, each step with its number', () => {
    const kv = withVersion(2);
    const versions: unknown[] = [];
    const noting =
      (name: number): SchemaUpgrade =>
      (store) => {
        versions.push(store.get(metaKey('schema')));
        return step(name)(store);
      };
    const upgrades = new Map([2, 3, 4].map((version) => [version, noting(version)]));
    const store = ChainStore.open(kv, { network, schema: { version: 5, upgrades } });
    expect(store.tip().height).toBe(0);
    expect(versions).toEqual([2, 3, 4].map(encodeU32));
    expect(kv.get(NOTE)).toEqual(Uint8Array.of(2, 3, 4));
    expect(kv.get(metaKey('schema'))).toEqual(encodeU32(5));
    ChainStore.open(kv, { network, schema: { version: 5, upgrades } });
    expect(kv.get(NOTE), 'and not again').toEqual(Uint8Array.of(2, 3, 4));
  });

  it('goes on where an interrupted upgrade stopped', () => {
    const kv = withVersion(1);
    let broken = true;
    const upgrades = new Map<number, SchemaUpgrade>([
      [1, step(1)],
      [
        2,
        function* (store) {
          yield* step(2)(store);
          if (broken) throw new Error('the power failed');
        },
      ],
    ]);
    const open = (): unknown => ChainStore.open(kv, { network, schema: { version: 3, upgrades } });
    expect(open).toThrow('the power failed');
    expect(kv.get(metaKey('schema'))).toEqual(encodeU32(2));
    broken = false;
    open();
    expect(kv.get(NOTE)).toEqual(Uint8Array.of(1, 2));
  });

  it('is refused, and left alone, if a step is missing', () => {
    const kv = withVersion(1);
    const schema = { version: 3, upgrades: new Map([[1, step(1)]]) };
    const error = refusal(kv, { schema });
    expect(error.detail).toMatchObject({ code: 'unknown-schema', found: 1, supported: 3 });
    expect(error.message).toMatch('has no upgrade for it; import into a new directory');
    expect(kv.get(NOTE)).toBeUndefined();
    expect(kv.get(metaKey('schema'))).toEqual(encodeU32(1));
  });

  it('is not upgraded by a reader, who is told who can', () => {
    const kv = withVersion(1);
    const schema = { version: 2, upgrades: new Map([[1, step(1)]]) };
    const error = refusal(readOnly(kv), { schema });
    expect(error.detail).toMatchObject({ code: 'unknown-schema', reason: 'read-only' });
    expect(error.message).toMatch('start the node once, it upgrades the data');
    expect(() => ChainStore.open(readOnly(filled()), { network })).not.toThrow();
  });

  it('must be there if anything is', () => {
    const kv = new MemoryKv();
    kv.write([{ key: NOTE, value: NOTE }]);
    expect(refusal(kv).detail).toMatchObject({ code: 'damaged', key: '"schema"' });
    expect(refusal(readOnly(new MemoryKv())).detail.code).toBe('empty');
  });
});
