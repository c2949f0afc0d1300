/** What a block creates out of nothing. Bytom 1.x consensus: "Subsidy". */
import { BASE_SUBSIDY, GENESIS_SUBSIDY, SUBSIDY_HALVING_BLOCKS } from './params.ts';

/**
 * New BTM (neu) of the block at `height`. From height 30,240,000 on there are none, and all coinbases
 * together never create 2,100,000,000 BTM.
 */
export function subsidy(height: number): bigint {
  if (!Number.isSafeInteger(height) || height < 0) {
    throw new RangeError(`"height" expected an integer from 0 on, got ${height}`);
  }
  if (height === 0) return GENESIS_SUBSIDY;
  return BASE_SUBSIDY >> BigInt(Math.floor(height / SUBSIDY_HALVING_BLOCKS));
}
