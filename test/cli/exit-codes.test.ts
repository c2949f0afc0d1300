import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { DriverError, type DriverErrorDetail } from '../../drivers/driver.ts';
import { SourceError, type SourceErrorDetail } from '../../miner/job-source.ts';
import { ShareLogError } from '../../pool/ledger/share-log-error.ts';
import { BlockFileError } from '../../src/cli/block-file.ts';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import { optionError } from '../../src/cli/option-values.ts';
import { KernelsDisagreeError } from '../../src/cli/pow-input.ts';
import { KeyFileError } from '../../src/keys/keyfile-format.ts';
import { MnemonicError } from '../../src/keys/mnemonic.ts';
import { PowError, type PowErrorDetail } from '../../src/pow/pow-error.ts';
import { StoreError } from '../../src/store/store-error.ts';
import { HasherError, type HasherErrorDetail } from '../../src/tensority/hasher.ts';
import { LockError } from '../../src/util/directory-lock.ts';
import { InputError } from '../../src/util/errors.ts';

/** One of each kind: a kind that is added does not compile here before it has a code. */
const DRIVER: {
  readonly [C in DriverErrorDetail['code']]: [Extract<DriverErrorDetail, { code: C }>, number];
} = {
  'not-found': [{ code: 'not-found', id: 'gpu0' }, 3],
  busy: [{ code: 'busy', id: 'gpu0' }, 3],
  unsupported: [{ code: 'unsupported', missing: 'shader-f16' }, 3],
  'self-test': [{ code: 'self-test', expected: 'a', actual: 'b' }, 5],
  'seed-not-loaded': [{ code: 'seed-not-loaded', seed: 'a' }, 5],
  timeout: [{ code: 'timeout', afterMs: 1 }, 5],
  lost: [{ code: 'lost', reason: 'unplugged' }, 5],
};

const SOURCE: {
  readonly [C in SourceErrorDetail['code']]: [Extract<SourceErrorDetail, { code: C }>, number];
} = {
  'login-refused': [{ code: 'login-refused', source: 'pool', reason: 'no' }, 4],
  'gave-up': [{ code: 'gave-up', source: 'pool', retries: 1, reason: 'no' }, 1],
};

const HASHER: {
  readonly [C in HasherErrorDetail['code']]: [Extract<HasherErrorDetail, { code: C }>, number];
} = {
  'seed-not-loaded': [{ code: 'seed-not-loaded', seed: 'a' }, 5],
  lost: [{ code: 'lost', reason: 'a thread died' }, 5],
};

const POW: {
  readonly [C in PowErrorDetail['code']]: [Extract<PowErrorDetail, { code: C }>, number];
} = {
  unavailable: [{ code: 'unavailable', reason: 'no device is left' }, 5],
  overloaded: [{ code: 'overloaded', queued: 4096 }, 1],
  closed: [{ code: 'closed' }, 1],
};

describe('the exit code', () => {
  it.each(Object.values(POW))('of the proof-of-work error %j is %i', (detail, code) => {
    expect(exitCodeOf(new PowError(detail))).toBe(code);
  });

  it.each(Object.values(DRIVER))('of the device error %j is %i', (detail, code) => {
    expect(exitCodeOf(new DriverError(detail))).toBe(code);
  });

  it.each(Object.values(HASHER))('of the hasher error %j is %i', (detail, code) => {
    expect(exitCodeOf(new HasherError(detail))).toBe(code);
  });

  it.each(Object.values(SOURCE))('of the source error %j is %i', (detail, code) => {
    expect(exitCodeOf(new SourceError(detail))).toBe(code);
  });

  it('of wrong input and wrong options is 2, of help and version 0', () => {
    expect(exitCodeOf(new InputError('seed', 'hex', 'x'))).toBe(2);
    expect(exitCodeOf(new MnemonicError({ code: 'word-count', count: 3 }))).toBe(2);
    expect(exitCodeOf(optionError('no'))).toBe(2);
    // Commander's own code for a wrong option is 1.
    expect(exitCodeOf(new CommanderError(1, 'commander.unknownOption', 'no'))).toBe(2);
    expect(exitCodeOf(new CommanderError(0, 'commander.version', '1.0.0'))).toBe(0);
  });

  it('of kernels that disagree is 5: one of them is broken', () => {
    const bytes = new Uint8Array(32);
    expect(exitCodeOf(new KernelsDisagreeError(bytes, bytes, bytes, bytes))).toBe(5);
  });

  it('of anything else is 1, what the data or a file keep from being done included', () => {
    const full = new StoreError({ code: 'no-space', directory: '/data' });
    const file = new BlockFileError({ code: 'no-blocks', file: 'blocks.txt' });
    const key = new KeyFileError({ code: 'wrong-password-or-damaged' });
    const shares = new ShareLogError({ code: 'io', directory: '/data/shares', problem: 'no room' });
    const lock = new LockError({ code: 'locked', directory: '/data', pid: 1 });
    const kept = [full, file, key, shares, lock];
    for (const thrown of [...kept, new TypeError('bug'), 'text', undefined]) {
      expect(exitCodeOf(thrown)).toBe(1);
    }
  });
});
