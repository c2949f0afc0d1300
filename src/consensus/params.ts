/**
 * The constants of consensus, alike on all networks. Bytom 1.x consensus: "Networks", constants.
 * Amounts are bigint and in neu, the smallest unit of BTM; gas, heights and times are number. What
 * belongs to Tensority alone (the epoch of 256 blocks among it) is in `../tensority/params.ts`.
 */

/** The only version of a block, and of a transaction in it. */
export const BLOCK_VERSION = 1;

// Gas

/** Gas that the transactions of a block may use together. */
export const BLOCK_GAS_LIMIT = 10_000_000;
/** Fee that buys one unit of gas. */
export const NEU_PER_GAS = 200n;
/** Gas that a fee buys at most, however high it is. */
export const MAX_TX_GAS = 200_000;
/** Gas that the programs may use before the transaction has paid for its storage. */
export const GAS_CREDIT = 30_000;
export const STORAGE_GAS_PER_BYTE = 1;

// Coinbase

/** An output of transaction 0 of block h can be spent from block h + 100 on. */
export const COINBASE_MATURITY = 100;
/** Most bytes of a coinbase's arbitrary data. */
export const COINBASE_ARBITRARY_BYTES = 128;

/** What the genesis block creates. */
export const GENESIS_SUBSIDY = 140_700_041_250_000_000n;
/** What blocks 1 … 839,999 create; from then on it halves. */
export const BASE_SUBSIDY = 41_250_000_000n;
export const SUBSIDY_HALVING_BLOCKS = 840_000;

// Difficulty and time

/** Block h with h ≡ 1 (mod 2016) has a new difficulty; the first one is 2017. */
export const RETARGET_BLOCKS = 2016;
export const TARGET_SECONDS_PER_BLOCK = 150;
/** How far a block may be ahead of the clock of whoever checks it. */
export const FUTURE_LIMIT_SECONDS = 3600;
/** A block must be later than the median of the blocks before it: of so many, its parent included. */
export const MEDIAN_BLOCKS = 11;

// History

/** From this height on every input must have an entry of its own: no two may be the same. */
export const DUPLICATE_INPUT_RULE_HEIGHT = 142_500;
