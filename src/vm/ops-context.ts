/** Opcodes that ask about the transaction and the block. Bytom 1.x consensus: "BVM". */
import type { VmContext } from './context.ts';
import { fail, type Operation, type Operations } from './machine.ts';
import { intToBytes } from './value.ts';

export const CONTEXT_OPS: Operations = {
  CHECKOUTPUT: (machine) => {
    machine.charge(16);
    const program = machine.pop();
    const vmVersion = notNegative(machine.popInt());
    const assetId = machine.pop();
    const amount = notNegative(machine.popInt());
    const index = notNegative(machine.popInt());
    const { context, expansionReserved } = machine;
    const claim = { index, amount, assetId, vmVersion, program, expansionReserved };
    machine.pushBool(context.checkOutput(claim) ?? fail('bad value'));
  },
  ASSET: tell((context) => context.assetId),
  AMOUNT: tell((context) => intToBytes(context.amount)),
  PROGRAM: tell((context) => context.program),
  INDEX: tell((context) => intToBytes(BigInt(context.inputIndex))),
  ENTRYID: tell((context) => context.entryId),
  OUTPUTID: tell((context) => context.spentOutputId ?? fail('unsupported in this context')),
  BLOCKHEIGHT: tell((context) => intToBytes(BigInt(context.blockHeight))),
};

function tell(what: (context: VmContext) => Uint8Array): Operation {
  return (machine) => {
    machine.charge(1);
    machine.push(what(machine.context));
  };
}

function notNegative(value: bigint): bigint {
  return value < 0n ? fail('bad value') : value;
}
