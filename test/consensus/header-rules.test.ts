import { describe, expect, it } from 'vitest';
import { type BlockHeader, decodeHeader, headerHash } from '../../src/chain/header.ts';
import type { Branch, HashedHeader } from '../../src/consensus/branch.ts';
import { blockWork } from '../../src/consensus/difficulty.ts';
import {
  checkHeader,
  checkProofOfWork,
  type HeaderContext,
  headerContext,
  type PowClaim,
} from '../../src/consensus/header-rules.ts';
import { SOLONET } from '../../src/consensus/network.ts';
import { type RuleDetail, RuleError, type RuleName } from '../../src/consensus/rule-error.ts';
import { bitsToTarget } from '../../src/tensority/target.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { u256ToBytes } from '../../src/util/u256.ts';
import { load } from '../chain/vectors.ts';
import { seededRandom } from '../support/random.ts';
import {
  HeaderTree,
  scenarioHeaders,
  solonetBranch,
  solonetHeaders,
  WORST_HASH,
} from './header-chain.ts';

const YEAR_3000 = 32_503_680_000;

function contextAt(height: number): HeaderContext {
  return headerContext(solonetHeaders()[height - 1]!, solonetBranch);
}

/** The refusal of a header in a context, or `undefined` if all but its proof of work is right. */
function refusal(
  header: BlockHeader,
  context: HeaderContext,
  now = YEAR_3000,
): RuleDetail | undefined {
  return refusalOf(() => checkHeader(header, headerHash(header), context, now));
}

function refusalOf(check: () => unknown): RuleDetail | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof RuleError) return error.detail;
    throw error;
  }
}

function changed(bytes: Uint8Array, at = 0): Uint8Array {
  const copy = bytes.slice();
  copy[at]! ^= 1;
  return copy;
}

describe('headerContext and checkHeader', () => {
  it('agree with every header of a recorded chain, its work added up included', () => {
    const headers = solonetHeaders();
    expect(headers.length).toBe(2031);
    let work = blockWork(SOLONET.genesis.header.bits);
    for (const { header, hash, seed, pow, totalWork } of headers.slice(1)) {
      const context = contextAt(header.height);
      const claim = checkHeader(header, hash, context, header.timestamp);
      expect(bytesToHex(claim.seed), `seed of ${header.height}`).toBe(seed);
      expect(claim.headerHash, `hash of ${header.height}`).toBe(hash);
      checkProofOfWork(claim, hexToBytes(pow, 'pow', 32));
      work += blockWork(header.bits);
      expect(work, `work at ${header.height}`).toBe(totalWork);
    }
    // The chain has a retarget, and it changed something.
    expect(contextAt(2016).requiredBits).toBe(SOLONET.genesis.header.bits);
    expect(contextAt(2017).requiredBits).not.toBe(SOLONET.genesis.header.bits);
    expect(contextAt(2018).requiredBits).toBe(contextAt(2017).requiredBits);
  });

  it('agree with the verdicts of a node on good and bad headers', () => {
    const rules: readonly (readonly [part: string, rules: readonly RuleName[]])[] = [
      ['version regression', ['header-version']],
      ['misordered block height', ['header-height']],
      ['block bits is invalid', ['header-bits']],
      ['timestamp is not in the valid range', ['timestamp-too-early', 'timestamp-too-late']],
    ];
    const { wall_clock: now } = load('chain_scenario.json.gz') as { readonly wall_clock: number };
    const tree = new HeaderTree();
    const refused: string[] = [];
    let good = 0;
    let waiting: HashedHeader[] = [];
    for (const { step, error, ...block } of scenarioHeaders()) {
      const parent = tree.get(block.header.previousBlockHash);
      if (parent === undefined) {
        waiting.push(block);
        continue;
      }
      const detail = refusal(block.header, headerContext(parent, tree.branchBelow(parent)), now);
      const expected = rules.find(([part]) => error?.includes(part))?.[1] ?? [undefined];
      expect(expected, step).toContain(detail?.rule);
      if (detail !== undefined) {
        refused.push(detail.rule);
        continue;
      }
      good++;
      tree.add(block);
      // An orphan may follow any block; its own children come right after it in the file.
      for (const orphan of waiting) if (tree.get(orphan.header.previousBlockHash)) tree.add(orphan);
      waiting = waiting.filter((orphan) => tree.get(orphan.hash) === undefined);
    }
    expect(refused.toSorted()).toEqual([
      'header-bits',
      'header-bits',
      'header-height',
      'header-height',
      'header-version',
      'header-version',
      'timestamp-too-early',
      'timestamp-too-early',
      'timestamp-too-late',
    ]);
    expect(good).toBeGreaterThan(140);
  });

  it('hold for the published mainnet headers, as far as their ancestors are known', () => {
    const vectors = load('block_headers.json') as {
      readonly mainnet: readonly {
        readonly height: number;
        readonly header_hex: string;
        readonly links_to_previous_vector?: boolean;
        readonly work: string;
      }[];
    };
    const known: HashedHeader[] = vectors.mainnet.map(({ header_hex }) => {
      const { header } = decodeHeader(hexToBytes(header_hex, 'header_hex'));
      return { header, hash: headerHash(header) };
    });
    let linked = 0;
    vectors.mainnet.forEach((vector, i) => {
      const { header, hash } = known[i]!;
      expect(blockWork(header.bits), `${vector.height}`).toBe(BigInt(vector.work));
      if (vector.links_to_previous_vector !== true) return;
      // Those ancestors that were not published do not decide here: none is a retarget.
      const parent = known[i - 1]!;
      const branch: Branch = {
        ancestor: (height) => known.find((each) => each.header.height === height) ?? parent,
      };
      const context = headerContext(parent, branch);
      expect(context.requiredBits, `${vector.height}`).toBe(header.bits);
      // The parent's time stands in for those that are unknown, so the median may come out late.
      const lenient = {
        ...context,
        medianTime: Math.min(context.medianTime, header.timestamp - 1),
      };
      expect(checkHeader(header, hash, lenient, header.timestamp).headerHash).toBe(hash);
      linked++;
    });
    expect(linked).toBe(12);
  });

  it('take the median of up to eleven times, of an even number the later middle one', () => {
    const random = seededRandom(11);
    for (let count = 1; count <= 25; count++) {
      const times = Array.from({ length: count }, () => Math.floor(random() * 1_000));
      const headers = times.map((timestamp, height): HashedHeader => {
        const header = { ...SOLONET.genesis.header, height, timestamp };
        return { header, hash: headerHash(header) };
      });
      const asked: number[] = [];
      const branch: Branch = {
        ancestor: (height) => {
          asked.push(height);
          return headers[height]!;
        },
      };
      const { medianTime } = headerContext(headers.at(-1)!, branch);
      const last = times.slice(-11);
      const atMost = last.filter((time) => time <= medianTime).length;
      const below = last.filter((time) => time < medianTime).length;
      const rank = Math.floor(last.length / 2);
      expect(last, `${times}`).toContain(medianTime);
      expect(below <= rank && rank < atMost, `${times}: ${medianTime}`).toBe(true);
      expect(
        asked.every((height) => height < count - 1),
        'asks below the parent',
      ).toBe(true);
    }
  });
});

describe('a header with one thing changed', () => {
  // 300 is in the middle of a period and an epoch, 2017 has new bits.
  const cases = [300, 2017].flatMap((height) => {
    const { header } = solonetHeaders()[height]!;
    const list: readonly (readonly [RuleName, Partial<BlockHeader>])[] = [
      ['header-version', { version: 0 }],
      ['header-version', { version: 2 }],
      ['header-version', { version: Number.MAX_SAFE_INTEGER }],
      ['header-height', { height: height - 1 }],
      ['header-height', { height: height + 1 }],
      ['header-height', { height: 0 }],
      ['header-bits', { bits: header.bits + 1n }],
      ['header-bits', { bits: header.bits - 1n }],
      ['header-bits', { bits: 0n }],
      ['header-bits', { bits: header.bits | (1n << 55n) }],
      ['previous-block', { previousBlockHash: changed(header.previousBlockHash) }],
      ['previous-block', { previousBlockHash: changed(header.previousBlockHash, 31) }],
      ['timestamp-too-early', { timestamp: contextAt(height).medianTime }],
      ['timestamp-too-early', { timestamp: 0 }],
    ];
    return list.map(([rule, change]) => ({ rule, change, height }));
  });

  it.each(cases)('is refused by $rule at $height: $change', ({ rule, change, height }) => {
    const { header } = solonetHeaders()[height]!;
    const detail = refusal({ ...header, ...change }, contextAt(height));
    expect(detail?.rule).toBe(rule);
    expect(detail?.blame).toBe('peer');
    expect(detail?.expected).not.toBe(detail?.actual);
  });

  it('shows in the proof of work alone where no other rule covers it', () => {
    const { header, hash, pow } = solonetHeaders()[300]!;
    const changes: readonly Partial<BlockHeader>[] = [
      { nonce: header.nonce + 1n },
      { transactionsMerkleRoot: changed(header.transactionsMerkleRoot) },
      { transactionStatusHash: changed(header.transactionStatusHash, 31) },
      { timestamp: header.timestamp + 1 },
    ];
    for (const change of changes) {
      const other = { ...header, ...change };
      const claim = checkHeader(other, headerHash(other), contextAt(300), YEAR_3000);
      expect(claim.headerHash, Object.keys(change)[0]).not.toEqual(hash);
    }
    const claim = checkHeader(header, hash, contextAt(300), YEAR_3000);
    expect(() => checkProofOfWork(claim, hexToBytes(pow, 'pow', 32))).not.toThrow();
  });
});

describe('the time of a header', () => {
  const { header } = solonetHeaders()[300]!;
  const context = contextAt(300);

  it('may be one second after the median, and may be before the parent', () => {
    const timestamp = context.medianTime + 1;
    expect(refusal({ ...header, timestamp }, context)).toBeUndefined();
    expect(timestamp).toBeLessThan(context.parent.header.timestamp);
  });

  it('may be an hour ahead of the clock, and no second more: which is nobody’s fault', () => {
    expect(refusal(header, context, header.timestamp - 3_600)).toBeUndefined();
    expect(refusal(header, context, header.timestamp - 3_601)).toEqual({
      code: 'rule',
      rule: 'timestamp-too-late',
      expected: `at most ${header.timestamp - 1}, 3600 s from now`,
      actual: `${header.timestamp}`,
      blame: 'nobody',
    });
  });

  it('too late is found before too early', () => {
    const early = { ...header, timestamp: context.medianTime };
    expect(refusal(early, context, 0)?.rule).toBe('timestamp-too-late');
  });
});

describe('a header with everything wrong', () => {
  it('is refused by the rules in the order of the reference', () => {
    const { header } = solonetHeaders()[300]!;
    // A branch whose next target is negative, so that the last of the cheap rules refuses as well.
    const negative = header.bits | (1n << 55n);
    const context: HeaderContext = { ...contextAt(300), requiredBits: negative };
    let wrong: BlockHeader = {
      ...header,
      version: 2,
      height: 7,
      previousBlockHash: changed(header.previousBlockHash),
      timestamp: YEAR_3000 + 3_601,
    };
    const repairs: readonly Partial<BlockHeader>[] = [
      { version: 1 },
      { height: 300 },
      { bits: negative },
      { previousBlockHash: header.previousBlockHash },
      { timestamp: 0 },
      { timestamp: header.timestamp },
    ];
    const order = [refusal(wrong, context)?.rule];
    for (const repair of repairs) {
      wrong = { ...wrong, ...repair };
      order.push(refusal(wrong, context)?.rule);
    }
    expect(order).toEqual([
      'header-version',
      'header-height',
      'header-bits',
      'previous-block',
      'timestamp-too-late',
      'timestamp-too-early',
      'proof-of-work',
    ]);
  });
});

describe('the proof of work', () => {
  const { header, hash } = solonetHeaders()[300]!;

  function claimWith(bits: bigint): PowClaim {
    const context = { ...contextAt(300), requiredBits: bits };
    return checkHeader({ ...header, bits }, hash, context, YEAR_3000);
  }

  it('is met by a hash up to the target and by none above', () => {
    const claim = claimWith(header.bits);
    expect(claim.target).toBe(bitsToTarget(header.bits));
    checkProofOfWork(claim, new Uint8Array(32));
    checkProofOfWork(claim, u256ToBytes(claim.target));
    expect(refusalOf(() => checkProofOfWork(claim, u256ToBytes(claim.target + 1n)))).toEqual({
      code: 'rule',
      rule: 'proof-of-work',
      expected: `at most 0x${claim.target.toString(16)}`,
      actual: `0x${(claim.target + 1n).toString(16)}`,
      blame: 'peer',
    });
    expect(refusalOf(() => checkProofOfWork(claim, WORST_HASH))?.rule).toBe('proof-of-work');
  });

  it('is met by every hash under a target above 2^256', () => {
    const claim = claimWith((34n << 56n) | 0xff_ffffn);
    expect(() => checkProofOfWork(claim, WORST_HASH)).not.toThrow();
  });

  it('is refused without a hash under a target of zero or less', () => {
    for (const bits of [0n, 1n << 56n, (32n << 56n) | (1n << 55n) | 1n]) {
      const detail = refusalOf(() => claimWith(bits));
      expect(detail?.rule, `${bits}`).toBe('proof-of-work');
      expect(detail?.expected, `${bits}`).toBe('a target above 0');
    }
    expect(claimWith((3n << 56n) | 1n).target).toBe(1n);
  });
});
