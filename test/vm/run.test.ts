import { describe, expect, it } from 'vitest';
import { hexToBytes } from '../../src/util/bytes.ts';
import { assemble } from '../../src/vm/assemble.ts';
import { runProgram } from '../../src/vm/run.ts';
import { type BvmCase, bvm, bvmChildren, run, stackOf, vmContext } from './programs.ts';

/** The vectors' words for a fault, where ours are others. */
const FAULTS: Readonly<Record<string, string | undefined>> = {
  '': undefined,
  'false VM result': 'false result',
  'RETURN executed': 'FAIL executed',
  'unsupported VM': 'unsupported vm version',
  // Of a push whose length is near 2^32.
  'arithmetic overflow': 'unexpected end of program',
};

function runCase(test: BvmCase) {
  return run(
    hexToBytes(test.program, 'program'),
    {
      arguments: test.args.map((arg) => hexToBytes(arg, 'argument')),
      txVersion: BigInt(test.tx_version),
      vmVersion: BigInt(test.vm_version),
    },
    test.gas_limit,
  );
}

describe('runProgram, against the reference', () => {
  it('ends every recorded program with the recorded fault, gas and stack', () => {
    expect(bvm.cases).toHaveLength(1005);
    for (const [i, test] of bvm.cases.entries()) {
      const name = `case ${i} "${test.name}" ${test.program}, tx version ${test.tx_version}`;
      const outcome = runCase(test);
      const fault = test.error in FAULTS ? FAULTS[test.error] : test.error;
      expect([outcome.fault, outcome.gasLeft], name).toEqual([fault, test.gas_left]);
      const stack = test.final_stack_top_first;
      if (stack !== undefined) expect(stackOf(outcome).reverse(), name).toEqual(stack);
    }
  });

  it('leaves of every child, failed in whatever way, what the reference leaves of it', () => {
    expect(bvmChildren.cases.length).toBeGreaterThan(3000);
    for (const [program, args, gas, txVersion, fault, gasLeft, stack] of bvmChildren.cases) {
      const outcome = run(
        hexToBytes(program, 'program'),
        {
          arguments: args.map((arg) => hexToBytes(arg, 'argument')),
          txVersion: BigInt(txVersion),
        },
        gas,
      );
      const name = `${program} with ${gas} gas, arguments ${args.join(' ')}`;
      expect([outcome.fault ?? '', outcome.gasLeft], name).toEqual([fault, gasLeft]);
      expect(stackOf(outcome), name).toEqual(stack);
    }
  });

  it('does not write over a value that shares bytes with a joined one, as the reference does', () => {
    expect(bvm.reference_quirks).toHaveLength(2);
    for (const test of bvm.reference_quirks) {
      expect(test.program).toBe('04010203047652800209097e');
      expect(test.final_stack_top_first).toEqual(['01020909', '01020909']);
      const outcome = runCase(test);
      expect(stackOf(outcome)).toEqual(['01020304', '01020909']);
      expect([outcome.fault, outcome.gasLeft]).toEqual([undefined, test.gas_left]);
    }
  });
});

describe('runProgram', () => {
  it('starts with the arguments, the last one on top, each paid for', () => {
    const outcome = run('', { arguments: [Uint8Array.of(1, 2), Uint8Array.of(3)] }, 100);
    expect(stackOf(outcome)).toEqual(['0102', '03']);
    expect(outcome.gasLeft).toBe(100 - 10 - 9);
  });

  it('fails when the arguments cost more than there is, with what they took gone', () => {
    const outcome = run('', { arguments: [Uint8Array.of(1, 2), Uint8Array.of(3)] }, 18);
    expect([outcome.fault, outcome.gasLeft]).toEqual(['run limit exceeded', 0]);
  });

  it('runs vm version 1 only, and gives back all gas of others', () => {
    for (const vmVersion of [0n, 2n, 1n << 62n]) {
      const outcome = run('TRUE', { vmVersion });
      expect([outcome.fault, outcome.gasLeft]).toEqual(['unsupported vm version', 50_000]);
    }
  });

  it('treats every transaction version but 1 as one of the future', () => {
    expect(run('NOPx50 1', { txVersion: 1n }).fault).toBe('disallowed opcode');
    for (const txVersion of [0n, 2n, 1n << 40n]) {
      expect(run('NOPx50 1', { txVersion }).fault, `${txVersion}`).toBeUndefined();
    }
  });

  it('asks for the signature hash only when the program does', () => {
    let asked = 0;
    const signatureHash = () => {
      asked++;
      return new Uint8Array(32);
    };
    run('TRUE', { signatureHash });
    expect(asked).toBe(0);
    run('TXSIGHASH TXSIGHASH', { signatureHash });
    expect(asked).toBe(2);
  });

  it('lets the errors of a context through', () => {
    const signatureHash = () => {
      throw new RangeError('of the context');
    };
    const context = vmContext({ signatureHash, program: assemble("0 'TXSIGHASH' 0 TXSIGHASH") });
    expect(() => runProgram(context, 1000)).toThrow('of the context');
  });

  it('has no spent output in an issuance', () => {
    const outcome = run('OUTPUTID', { spentOutputId: undefined });
    expect(outcome.fault).toBe('unsupported in this context');
    expect(stackOf(run("0 'OUTPUTID' 0 CHECKPREDICATE 1", {}))).toHaveLength(2);
  });

  it('tells CHECKOUTPUT whether it is inside a predicate', () => {
    const flags: boolean[] = [];
    const checkOutput = (claim: { readonly expansionReserved: boolean }) => {
      flags.push(claim.expansionReserved);
      return true;
    };
    run('0 0 0 0 0 CHECKOUTPUT', { checkOutput });
    run('0 0x0000000000c1 0 CHECKPREDICATE', { checkOutput });
    run('0 0 0 0 0 CHECKOUTPUT', { checkOutput, txVersion: 2n });
    expect(flags).toEqual([true, false, false]);
  });

  it('pushes the whole program with PROGRAM, inside a predicate too', () => {
    const program = assemble('1 0xc4 0 CHECKPREDICATE');
    expect(stackOf(run('PROGRAM'))).toEqual(['c4']);
    // The child compares its PROGRAM with the parent's.
    const outcome = run(assemble('PROGRAM 1 0xc487 0 CHECKPREDICATE'));
    expect([outcome.fault, stackOf(outcome)]).toEqual([undefined, ['01']]);
    expect(run(program).fault).toBe('data stack underflow');
  });
});
