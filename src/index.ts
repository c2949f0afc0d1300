/**
 * The library's one entry, for programs that mine, verify or compose by themselves: the proof of work
 * with its kernels and targets, the chain as data, the virtual machine, the rules, keys, and what a
 * light client needs. Everything else is internal and may change.
 */
export { decodeAddress, encodeAddress } from './chain/address.ts';
export { type Block, decodeBlock, encodeBlock } from './chain/block.ts';
export type { BlockHeader } from './chain/header.ts';
export { decodeHeader, encodeHeader, headerHash, headerPreimage } from './chain/header.ts';
export { merkleRoot, statusRoot, transactionsRoot } from './chain/merkle.ts';
export { INITIAL_SEED, seedHeight } from './chain/seed.ts';
export type {
  AssetAmount,
  CoinbaseInput,
  IssuanceInput,
  SpendInput,
  Tx,
  TxData,
  TxInput,
  TxOutput,
} from './chain/tx.ts';
export { createTx, decodeTx, encodeTx } from './chain/tx-codec.ts';
export { assetIdOf, BTM_ASSET_ID, signatureHash } from './chain/tx-entries.ts';
export type { MutableUtxoView, SpentUtxo, Utxo, UtxoView } from './chain/utxo.ts';
export { type BlockVerdict, validateBlockBody } from './consensus/block-rules.ts';
export type { Branch, HashedHeader } from './consensus/branch.ts';
export { createCoinbase } from './consensus/coinbase.ts';
export {
  checkHeader,
  checkProofOfWork,
  type HeaderContext,
  headerContext,
  type PowClaim,
} from './consensus/header-rules.ts';
export {
  anchorAncestors,
  anchorAt,
  type LightAnchor,
  powSource,
  verifyHeaders,
} from './consensus/light-headers.ts';
export {
  createTransactionProof,
  type TransactionProof,
  verifyTransactionProof,
} from './consensus/light-proof.ts';
export {
  MAINNET,
  type Network,
  networkByName,
  SOLONET,
  TESTNET,
} from './consensus/network.ts';
export { RuleError, type RuleName } from './consensus/rule-error.ts';
export { subsidy } from './consensus/subsidy.ts';
export { type TxContext, type TxVerdict, validateTx } from './consensus/tx-rules.ts';
export { connectBlock, disconnectBlock } from './consensus/utxo-rules.ts';
export {
  accountPath,
  deriveXprv,
  deriveXpub,
  publicKeyHash,
  rootXprv,
  sign,
  signingPublicKey,
  xprvToXpub,
} from './keys/chainkd.ts';
export { verifySignature } from './keys/ed25519.ts';
export { generateMnemonic, mnemonicToSeed, parseMnemonic } from './keys/mnemonic.ts';
export { openCpuHasher } from './tensority/cpu-hasher.ts';
export type { BatchHasher, Seed } from './tensority/hasher.ts';
export { tensority } from './tensority/reference.ts';
export type { MatrixTable } from './tensority/table.ts';
export { buildMatrixTable } from './tensority/table-builder.ts';
export {
  bitsToTarget,
  difficultyToTarget,
  meetsTarget,
  type Target,
  targetToBits,
  targetToWork,
} from './tensority/target.ts';
export { assemble, disassemble } from './vm/assemble.ts';
export type { VmContext, VmOutcome } from './vm/context.ts';
export { multisigProgram } from './vm/program.ts';
export { runProgram } from './vm/run.ts';
