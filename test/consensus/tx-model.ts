/**
 * The rules for a transaction once more, as the graph of entries that they are written for: every
 * entry once by its id, the last of equal ones standing for all. Slow and plain, to compare with.
 */
import type { Tx } from '../../src/chain/tx.ts';
import { signatureHash } from '../../src/chain/tx-entries.ts';
import type { GasState, TxContext, TxVerdict } from '../../src/consensus/tx-rules.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { executedProgram, isStandardProgram } from '../../src/vm/program.ts';
import { runProgram } from '../../src/vm/run.ts';

type Input = Tx['inputs'][number];

interface Entry {
  readonly input: Input;
  /** Which input of the transaction; a coinbase says 0 wherever it is. */
  readonly ordinal: number;
}

interface Value {
  readonly asset: string;
  readonly amount: bigint;
}

const BTM = 'ff'.repeat(32);

class Failure extends Error {}

export function modelVerdict(
  tx: Tx,
  context: TxContext,
): { readonly result: TxVerdict['result']; readonly gas: GasState } {
  const gas = { gasLeft: 0, gasUsed: 0, gasValid: false, storageGas: 0, fee: 0n };
  try {
    validate(tx, context, gas);
    return { result: 'ok', gas };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { result: gas.gasValid ? 'status-fail' : 'invalid', gas };
  }
}

function validate(
  tx: Tx,
  { blockVersion, blockHeight, firstInBlock }: TxContext,
  gas: { -readonly [K in keyof GasState]: GasState[K] },
): void {
  require(blockVersion !== 1 || tx.version === 1n);
  require(tx.timeRange === 0n || tx.timeRange >= BigInt(blockHeight));

  const ids = tx.inputIds.map(bytesToHex);
  const entries = new Map<string, Entry>();
  tx.inputs.forEach((input, i) => {
    entries.set(ids[i]!, { input, ordinal: input.type === 'coinbase' ? 0 : i });
  });

  const filled = new Set([...entries.values()].map(({ ordinal }) => ordinal));
  if (blockHeight >= 142_500) require(tx.inputs.every((_, i) => filled.has(i)));

  const gasEntries = [...entries].filter(
    ([, { input }]) =>
      input.type === 'coinbase' || (input.type === 'spend' && bytesToHex(input.assetId) === BTM),
  );
  for (const [, { input }] of gasEntries) {
    if (input.type === 'spend') require(isStandardProgram(input.controlProgram));
  }
  for (const { assetId, controlProgram } of tx.outputs) {
    const retired = controlProgram[0] === 0x6a;
    require(retired || bytesToHex(assetId) !== BTM || isStandardProgram(controlProgram));
  }
  require(tx.outputs.length > 0);

  const outputs = tx.outputs.map(
    ({ assetId, amount }): Value => ({
      asset: bytesToHex(assetId),
      amount,
    }),
  );
  const sources = tx.inputs.map(
    (input): Value =>
      input.type === 'coinbase'
        ? outputs[0]!
        : { asset: bytesToHex(input.assetId), amount: input.amount },
  );
  const sums = new Map<string, bigint>();
  for (const { asset, amount } of sources) {
    sums.set(asset, int64((sums.get(asset) ?? 0n) + amount));
  }
  for (const { asset, amount } of outputs) {
    require(sums.has(asset));
    sums.set(asset, int64(sums.get(asset)! - amount));
  }
  const fee = sums.get(BTM);
  if (fee !== undefined) {
    require(fee >= 0n);
    gas.fee = fee;
    gas.gasLeft = Math.min(Number(fee / 200n), 200_000);
    gas.storageGas = tx.raw.length;
  }
  for (const [asset, rest] of sums) require(asset === BTM || rest === 0n);

  const checked = new Set<string>();
  const check = (id: string, { input, ordinal }: Entry): void => {
    if (checked.has(id)) return;
    checked.add(id);
    if (input.type === 'coinbase') {
      require(firstInBlock && sources[0]!.asset === BTM && input.arbitrary.length <= 128);
      // Its destination is source 0, which must be this entry.
      require(ids[0] === id);
      gas.storageGas = 0;
      return;
    }
    const spend = input.type === 'spend';
    const { fault, gasLeft } = runProgram(
      {
        vmVersion: spend ? 1n : input.vmVersion,
        program: executedProgram(spend ? input.controlProgram : input.issuanceProgram),
        arguments: input.arguments,
        txVersion: tx.version,
        blockHeight,
        inputIndex: ordinal,
        assetId: input.assetId,
        amount: input.amount,
        entryId: tx.inputIds[ordinal]!,
        spentOutputId: tx.spentOutputIds[ordinal],
        signatureHash: () => signatureHash(tx.inputIds[ordinal]!, tx.id),
        checkOutput: () => undefined,
      },
      gas.gasLeft,
    );
    require(fault === undefined);
    gas.gasUsed += gas.gasLeft - gasLeft;
    gas.gasLeft = gasLeft;
    require(gas.gasValid || (gas.gasUsed <= 30_000 && gas.storageGas <= gas.gasLeft));
  };
  for (const [id, entry] of gasEntries) check(id, entry);
  gas.gasLeft -= gas.storageGas;
  require(gas.gasLeft >= 0);
  gas.gasUsed += gas.storageGas;
  gas.gasValid = true;

  ids.forEach((id, i) => {
    const entry = entries.get(id)!;
    check(id, entry);
    require(entry.ordinal === i);
  });
}

function int64(value: bigint): bigint {
  require(BigInt.asIntN(64, value) === value);
  return value;
}

function require(holds: boolean): void {
  if (!holds) throw new Failure();
}
