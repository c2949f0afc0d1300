/**
 * A source that needs nothing outside: one job over a real mainnet header (height 123), endless,
 * for trying devices and for benchmarks. Nothing it accepts is worth anything.
 */
import { type BlockHeader, headerHash } from '../src/chain/header.ts';
import { INITIAL_SEED } from '../src/chain/seed.ts';
import { MAX_VARINT63 } from '../src/chain/varint.ts';
import { bitsToTarget, difficultyToTarget, meetsTarget } from '../src/tensority/target.ts';
import { bytesEqual, hexToBytes } from '../src/util/bytes.ts';
import { createSilentLogger, type Logger } from '../src/util/log.ts';
import type { JobSink, JobSource, MiningJob, Share, SubmitOutcome } from './job-source.ts';
import { randomNonceStart } from './random-nonce.ts';
import { logNewJob } from './report/lines.ts';

export interface DummyOptions {
  /** Expected hashes per share; 128 means one every few seconds at 30 H/s. */
  readonly difficulty?: bigint;
  /** Where counting starts; a random place below 2^62 if absent. */
  readonly nonceStart?: bigint;
}

export interface DummyParts {
  /** Tagged `net`. */
  readonly log?: Logger;
}

const DEFAULT_DIFFICULTY = 128n;

/** The nonce that was mined; counting from here finds a block at once, under the initial seed. */
export const DUMMY_BLOCK_NONCE = 8_946_685_314_549n;

/** Mainnet block 123. */
export const DUMMY_HEADER: BlockHeader = {
  version: 1,
  height: 123,
  previousBlockHash: hash('91a1fce360040bb9943f8374980032692ba967e1fa24e318b6a1fb3f648b0a58'),
  timestamp: 1_524_556_238,
  transactionsMerkleRoot: hash('4031f270c360fd98187db674b94dc0a9aea371e69701b8451ef9238666d4b022'),
  transactionStatusHash: hash('c9c377e5192668bc0a367e4a4764f11e7c725ecced1d7b6a492974fab1b6d5bc'),
  nonce: DUMMY_BLOCK_NONCE,
  bits: 2_161_727_821_137_910_632n,
};

export class DummySource implements JobSource {
  readonly name = 'dummy';
  readonly #job: MiningJob;
  readonly #log: Logger;

  constructor(options: DummyOptions = {}, parts: DummyParts = {}) {
    this.#log = parts.log ?? createSilentLogger();
    const nonceStart = options.nonceStart ?? randomNonceStart();
    if (nonceStart < 0n || nonceStart > MAX_VARINT63) {
      throw new RangeError(`"nonceStart" expected 0 … 2^63−1, got ${nonceStart}`);
    }
    this.#job = {
      jobId: 'dummy',
      header: DUMMY_HEADER,
      seed: INITIAL_SEED,
      target: difficultyToTarget(options.difficulty ?? DEFAULT_DIFFICULTY),
      nonceStart,
      nonceEnd: MAX_VARINT63 + 1n,
      clean: true,
    };
  }

  run(sink: JobSink, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    logNewJob(this.#log, this.name, this.#job, this.#job.target);
    sink.job(this.#job);
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Checks what it can without hashing: the share's own results. */
  submit(share: Share): Promise<SubmitOutcome> {
    return Promise.resolve(this.#judge(share));
  }

  #judge({ job, nonce, headerHash: claimed, powHash }: Share): SubmitOutcome {
    const reject = (reason: string, code: number): SubmitOutcome => {
      return { status: 'rejected', ms: 0, reason, code };
    };
    if (job.jobId !== this.#job.jobId) return reject(`job "${job.jobId}" not found`, 21);
    const { nonceStart, nonceEnd, header, target } = this.#job;
    if (nonce < nonceStart || nonce >= nonceEnd) {
      return reject(`nonce ${nonce} is outside ${nonceStart} … ${nonceEnd - 1n}`, 32);
    }
    if (!bytesEqual(headerHash({ ...header, nonce }), claimed)) {
      return reject(`the header hash is not that of nonce ${nonce}`, 32);
    }
    if (!meetsTarget(powHash, target)) return reject('low difficulty share', 23);
    return { status: 'accepted', ms: 0, block: meetsTarget(powHash, bitsToTarget(header.bits)) };
  }
}

function hash(hex: string): Uint8Array {
  return hexToBytes(hex, 'dummy header', 32);
}
