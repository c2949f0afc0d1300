/** The exit codes of our programs, and which error means which. */
import { CommanderError } from 'commander';
import { DriverError } from '../../drivers/driver.ts';
import { LinkError, PortError } from '../../firmware-bridge/errors.ts';
import { SourceError } from '../../miner/job-source.ts';
import { MnemonicError } from '../keys/mnemonic.ts';
import { PowError } from '../pow/pow-error.ts';
import { HasherError } from '../tensority/hasher.ts';
import { InputError } from '../util/errors.ts';
import { KernelsDisagreeError } from './pow-input.ts';

export const EXIT = {
  ok: 0,
  fatal: 1,
  badConfiguration: 2,
  noSuchDevice: 3,
  loginRefused: 4,
  hardware: 5,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The exit code for anything a program can end with. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? EXIT.ok : EXIT.badConfiguration;
  }
  if (error instanceof InputError || error instanceof MnemonicError) return EXIT.badConfiguration;
  if (error instanceof KernelsDisagreeError || error instanceof HasherError) return EXIT.hardware;
  if (error instanceof PowError) {
    switch (error.detail.code) {
      case 'unavailable':
        return EXIT.hardware;
      case 'overloaded':
      case 'closed':
        return EXIT.fatal;
    }
  }
  if (error instanceof SourceError) {
    switch (error.detail.code) {
      case 'login-refused':
        return EXIT.loginRefused;
      case 'gave-up':
        return EXIT.fatal;
    }
  }
  if (error instanceof PortError) return EXIT.noSuchDevice;
  if (error instanceof LinkError) {
    // Another protocol version is no fault of the board's.
    return error.detail.code === 'version' ? EXIT.noSuchDevice : EXIT.hardware;
  }
  if (error instanceof DriverError) {
    switch (error.detail.code) {
      case 'not-found':
      case 'busy':
      case 'unsupported':
        return EXIT.noSuchDevice;
      case 'self-test':
      case 'seed-not-loaded':
      case 'timeout':
      case 'lost':
        return EXIT.hardware;
    }
  }
  return EXIT.fatal;
}
