/** The built `bytom-miner` in a process of its own. */
import {
  type Ended,
  expectRefusalOf,
  ProgramProcess,
  type StartOptions,
} from './program-process.ts';

export class MinerProcess extends ProgramProcess {
  constructor(args: readonly string[], options: StartOptions = {}) {
    super('bytom-miner', args, options);
  }
}

/** Runs the program to its end. */
export function runMiner(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return new MinerProcess(args, options).ended;
}

export function expectRefusal(ended: Ended, code: number, text: string): void {
  expectRefusalOf('bytom-miner', ended, code, text);
}
