/** The built `bytom-node` in a process of its own. */
import {
  type Ended,
  expectRefusalOf,
  ProgramProcess,
  type StartOptions,
} from './program-process.ts';

export class NodeProcess extends ProgramProcess {
  constructor(args: readonly string[], options: StartOptions = {}) {
    super('bytom-node', args, options);
  }
}

/** Runs the program to its end. */
export function runNode(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return new NodeProcess(args, options).ended;
}

export function expectRefusal(ended: Ended, code: number, text: string): void {
  expectRefusalOf('bytom-node', ended, code, text);
}
