/**
 * Transactions for tests: owners, who know how to unlock what is theirs, and coins, which know their
 * owners. Signatures are Node's own, not ours.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { AssetAmount, Tx, TxData, TxInput, TxOutput } from '../../src/chain/tx.ts';
import { createTx } from '../../src/chain/tx-codec.ts';
import { assetIdOf, BTM_ASSET_ID, signatureHash } from '../../src/chain/tx-entries.ts';
import { publicKeyHash } from '../../src/keys/chainkd.ts';
import { concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { OP } from '../../src/vm/opcodes.ts';
import { buildProgram, multisigProgram } from '../../src/vm/program.ts';

export interface Owner {
  readonly program: Uint8Array;
  /** The arguments that satisfy the program, for an input with this signature hash (32 bytes). */
  unlock(signatureHash: Uint8Array): readonly Uint8Array[];
}

/** An output that can be spent, and by whom. */
export interface Coin extends AssetAmount {
  readonly sourceId: Uint8Array;
  readonly sourcePosition: bigint;
  readonly owner: Owner;
}

export interface Payment {
  readonly to: Owner;
  readonly amount: bigint;
  /** BTM if left out. */
  readonly assetId?: Uint8Array;
}

/** Who may issue an asset. Another definition makes another asset. */
export interface Issuer {
  readonly owner: Owner;
  readonly definition: Uint8Array;
  readonly assetId: Uint8Array;
}

export interface Issue {
  readonly issuer: Issuer;
  readonly amount: bigint;
  /** Makes inputs distinct; empty if left out. */
  readonly nonce?: Uint8Array;
}

export interface Plan {
  readonly from?: readonly Coin[];
  /** Issuances, which come after the coins. */
  readonly issue?: readonly Issue[];
  readonly to: readonly Payment[];
  readonly timeRange?: bigint;
}

/** Enough for every transaction of the tests; what is left of the inputs is the fee. */
export const FEE = 40_000_000n;

const NO_BYTES = new Uint8Array(0);

/** Anybody: `TRUE`. */
export const ANYONE: Owner = programOwner(Uint8Array.of(OP['1']));

/** Nobody: outputs to it are retirements. */
export const NOBODY: Owner = programOwner(Uint8Array.of(OP.FAIL));

/** Whoever gives these arguments to a program that runs as it is. BTM may not be sent to most. */
export function programOwner(program: Uint8Array, args: readonly Uint8Array[] = []): Owner {
  return { program, unlock: () => args };
}

/** The key of a number (P2WPKH). */
export function keyOwner(seed: number): Owner {
  const { key, publicKey } = keyPair(seed);
  return {
    program: buildProgram(OP.FALSE, publicKeyHash(publicKey)),
    unlock: (hash) => [signature(key, hash), publicKey],
  };
}

/** Whoever satisfies a script (P2WSH). */
export function scriptOwner(script: Uint8Array, args: readonly Uint8Array[] = []): Owner {
  return { program: buildProgram(OP.FALSE, sha3(script)), unlock: () => [...args, script] };
}

/** The first `quorum` of the keys of these numbers (P2WSH). */
export function multisigOwner(seeds: readonly number[], quorum: number): Owner {
  const pairs = seeds.map(keyPair);
  const script = multisigProgram(
    pairs.map(({ publicKey }) => publicKey),
    quorum,
  );
  return {
    program: buildProgram(OP.FALSE, sha3(script)),
    unlock: (hash) => [...pairs.slice(0, quorum).map(({ key }) => signature(key, hash)), script],
  };
}

export function issuer(owner: Owner, definition: Uint8Array = NO_BYTES): Issuer {
  return { owner, definition, assetId: assetIdOf(1n, owner.program, definition) };
}

/** Output `index` of a transaction, as its owner sees it. */
export function coinOf(tx: Tx, index: number, owner: Owner): Coin {
  const { assetId, amount } = tx.outputs[index]!;
  return { assetId, amount, sourceId: tx.muxId, sourcePosition: BigInt(index), owner };
}

/** The signed transaction of a plan. */
export function transaction(plan: Plan): Tx {
  const { from = [], issue = [], to, timeRange = 0n } = plan;
  const owners = [...from, ...issue.map((each) => each.issuer)].map((each) => each.owner);
  return signed(
    {
      version: 1n,
      timeRange,
      inputs: [...from.map(spendInput), ...issue.map(issueInput)],
      outputs: to.map(outputOf),
    },
    owners,
  );
}

/** The transaction with the arguments of the owners of its inputs, one each, in place of its own. */
function signed(data: TxData, owners: readonly Owner[]): Tx {
  const { id, inputIds } = createTx(data);
  const inputs = data.inputs.map((input, i): TxInput => {
    const owner = owners[i];
    if (input.type === 'coinbase' || owner === undefined) return input;
    return { ...input, arguments: owner.unlock(signatureHash(inputIds[i]!, id)) };
  });
  return createTx({ ...data, inputs });
}

export function spendInput(coin: Coin): TxInput {
  const { owner, ...source } = coin;
  return { type: 'spend', ...source, controlProgram: owner.program, arguments: [] };
}

export function issueInput({ issuer: by, amount, nonce = NO_BYTES }: Issue): TxInput {
  return {
    type: 'issuance',
    nonce,
    assetId: by.assetId,
    amount,
    assetDefinition: by.definition,
    vmVersion: 1n,
    issuanceProgram: by.owner.program,
    arguments: [],
  };
}

export function outputOf({ to, amount, assetId = BTM_ASSET_ID }: Payment): TxOutput {
  return { assetId, amount, controlProgram: to.program };
}

/** No `Buffer`: a slice of one would be a view, and a test that changes it would change the coin. */
function signature(key: KeyObject, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, key));
}

/** What stands before the 32 bytes of a private key in PKCS #8. */
const PKCS8_HEAD = hexToBytes('302e020100300506032b657004220420', 'PKCS #8 head');

const pairs = new Map<number, { readonly key: KeyObject; readonly publicKey: Uint8Array }>();

function keyPair(seed: number): { readonly key: KeyObject; readonly publicKey: Uint8Array } {
  let pair = pairs.get(seed);
  if (pair === undefined) {
    const secret = sha3(new TextEncoder().encode(`key ${seed}`));
    const der = Buffer.from(concatBytes(PKCS8_HEAD, secret));
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
    pair = { key, publicKey: new Uint8Array(spki.subarray(-32)) };
    pairs.set(seed, pair);
  }
  return pair;
}
