import { describe, expect, it } from 'vitest';
import { bytesToHex } from '../../src/util/bytes.ts';
import { assemble, disassemble } from '../../src/vm/assemble.ts';
import type { RunBounds } from '../../src/vm/machine.ts';
import { RUN_BOUNDS, runProgram } from '../../src/vm/run.ts';
import { isTrue } from '../../src/vm/value.ts';
import { seededRandom } from '../support/random.ts';
import { vmContext } from './programs.ts';
import { type RandomProgram, randomProgram } from './random-program.ts';

const BOUNDS: RunBounds = { ...RUN_BOUNDS, work: 50_000_000 };

function runRandom(random: RandomProgram, bounds: RunBounds = BOUNDS) {
  const { program, arguments: items, gas, txVersion } = random;
  return runProgram(vmContext({ program, arguments: items, txVersion }), gas, bounds);
}

function heldGas(stack: readonly Uint8Array[]): number {
  return stack.reduce((sum, item) => sum + 8 + item.length, 0);
}

describe('random programs', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])(
    'end with gas of 0 or more, alike every time (seed %i)',
    (seed) => {
      const random = seededRandom(seed);
      const faults = new Map<string, number>();
      for (let i = 0; i < 2000; i++) {
        const test = randomProgram(random);
        const before = bytesToHex(test.program) + test.arguments.map(bytesToHex).join();
        const outcome = runRandom(test);
        const name = `program ${i}: ${disassemble(test.program)}`;
        const again = runRandom(test);
        if (again.gasLeft !== outcome.gasLeft || again.fault !== outcome.fault) expect.fail(name);
        if (!(Number.isSafeInteger(outcome.gasLeft) && outcome.gasLeft >= 0)) expect.fail(name);
        const top = outcome.stack.at(-1);
        if (outcome.fault === undefined && !(top !== undefined && isTrue(top))) expect.fail(name);
        // Values are views of the program and of the arguments: nothing may write to them.
        const after = bytesToHex(test.program) + test.arguments.map(bytesToHex).join();
        if (after !== before) expect.fail(name);
        const fault = outcome.fault ?? 'none';
        faults.set(fault, (faults.get(fault) ?? 0) + 1);
      }
      // The programs are worth running: they end in all ways, and many of them well.
      expect(faults.get('none')).toBeGreaterThan(300);
      for (const fault of ['bad value', 'range error', 'VERIFY failed', 'data stack underflow']) {
        expect(faults.get(fault), fault).toBeGreaterThan(5);
      }
    },
  );

  it('never hold more than they were given, if there is no child to leave something unpaid', () => {
    const random = seededRandom(11);
    let kept = 0;
    for (let i = 0; i < 4000; i++) {
      const test = randomProgram(random);
      if (disassemble(test.program).includes('CHECKPREDICATE')) continue;
      const outcome = runRandom(test);
      // What could not be paid stands on the stack all the same.
      if (outcome.fault === 'run limit exceeded') continue;
      kept++;
      const held = outcome.gasLeft + heldGas(outcome.stack);
      if (held > test.gas) expect.fail(`${held} of ${test.gas}: ${disassemble(test.program)}`);
    }
    expect(kept).toBeGreaterThan(500);
  });

  it('come back from their texts', () => {
    const random = seededRandom(12);
    for (let i = 0; i < 4000; i++) {
      const { program } = randomProgram(random);
      const text = disassemble(program);
      const hex = bytesToHex(program);
      if (bytesToHex(assemble(text)) !== hex) expect.fail(`${hex}: ${text}`);
    }
  });
});
