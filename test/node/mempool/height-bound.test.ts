import { describe, expect, it } from 'vitest';
import { isHeightBound } from '../../../src/node/mempool/height-bound.ts';
import { assemble } from '../../../src/vm/assemble.ts';
import {
  ANYONE,
  FEE,
  issuer,
  keyOwner,
  multisigOwner,
  type Owner,
  programOwner,
  scriptOwner,
  transaction,
} from '../../support/spending.ts';
import { base } from './pool-rig.ts';

function isBound(owner: Owner): boolean {
  const coin = { ...base.coinbase(1), owner };
  return isHeightBound(
    transaction({ from: [coin], to: [{ to: ANYONE, amount: coin.amount - FEE }] }),
  );
}

describe('whether a verdict depends on the height', () => {
  it('is denied for keys, quorums, and scripts that do not ask', () => {
    expect(isBound(ANYONE)).toBe(false);
    expect(isBound(keyOwner(1))).toBe(false);
    expect(isBound(multisigOwner([1, 2, 3], 2))).toBe(false);
    expect(isBound(scriptOwner(assemble('1 2 ADD 3 EQUAL')))).toBe(false);
    expect(isBound(programOwner(assemble('0xcdcd DROP TRUE')))).toBe(false);
  });

  it('is granted where a script asks, jumps, or runs another', () => {
    for (const script of [
      '9 BLOCKHEIGHT GREATERTHAN',
      '1 JUMPIF:$a 0xcd $a TRUE',
      'JUMP:$a $a TRUE',
      '0 0xcd 0 CHECKPREDICATE',
    ]) {
      expect(isBound(scriptOwner(assemble(script))), script).toBe(true);
      expect(isBound(programOwner(assemble(script))), script).toBe(true);
    }
  });

  it('looks at the script that is run, not at its arguments, and at issuances', () => {
    const asks = assemble('9 BLOCKHEIGHT GREATERTHAN');
    expect(isBound(scriptOwner(assemble('DROP TRUE'), [asks]))).toBe(false);
    const coin = base.coinbase(1);
    const gold = issuer(programOwner(asks));
    const to = [
      { to: ANYONE, amount: coin.amount - FEE },
      { to: ANYONE, amount: 1n, assetId: gold.assetId },
    ];
    const tx = transaction({ from: [coin], issue: [{ issuer: gold, amount: 1n }], to });
    expect(isHeightBound(tx)).toBe(true);
  });

  it('takes an opcode in a push for data, and a push that is cut short for the end', () => {
    expect(isBound(programOwner(Uint8Array.of(0x51, 0x05, 0xcd)))).toBe(false);
    expect(isBound(programOwner(Uint8Array.of(0x51, 0xcd, 0x05, 0x01)))).toBe(true);
    expect(isBound(programOwner(new Uint8Array(0)))).toBe(false);
  });
});
