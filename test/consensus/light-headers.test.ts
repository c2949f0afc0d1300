import { describe, expect, it } from 'vitest';
import type { BlockHeader } from '../../src/chain/header.ts';
import { type LightProofDetail, LightProofError } from '../../src/consensus/light-error.ts';
import {
  anchorAncestors,
  anchorAt,
  type LightAnchor,
  type LightRun,
  type PowSource,
  powSource,
  verifyHeaders,
} from '../../src/consensus/light-headers.ts';
import { SOLONET } from '../../src/consensus/network.ts';
import { RuleError, type RuleName } from '../../src/consensus/rule-error.ts';
import { openCpuHasher } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { StandInHasher, standInHash, standInTable } from '../support/stand-in-hasher.ts';
import { RecordedPow, solonetHeaders, solonetRun } from './header-chain.ts';

const NOW = 1_795_218_510;
const GENESIS: LightAnchor = { header: SOLONET.genesis.header, ancestors: [] };

function hashOf(height: number): Uint8Array {
  return solonetHeaders()[height]!.hash;
}

/** An anchor of the recorded chain, with what it needs and no more. */
function anchorOf(height: number): LightAnchor {
  return {
    header: solonetHeaders()[height]!.header,
    ancestors: anchorAncestors(height).map((at) => solonetHeaders()[at]!.header),
  };
}

function verify(
  anchor: LightAnchor,
  headers: readonly BlockHeader[],
  pow: PowSource = new RecordedPow(),
): Promise<LightRun> {
  return verifyHeaders(anchor, headers, { now: NOW, pow });
}

async function refusalOf(run: Promise<unknown>): Promise<LightProofDetail> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof LightProofError) return error.detail;
  throw new Error('expected a LightProofError', { cause: error });
}

/** Index, height and rule of the header that is refused. */
async function refusedHeader(run: Promise<unknown>): Promise<readonly [number, number, RuleName]> {
  const detail = await refusalOf(run);
  if (detail.code !== 'header') throw new Error(`expected a refused header, got ${detail.code}`);
  return [detail.index, detail.height, detail.refusal.rule];
}

function changed(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[5]! ^= 4;
  return copy;
}

describe('anchorAncestors', () => {
  it('are the ten before, the start of the period and the opening of the epoch', () => {
    expect(anchorAncestors(0)).toEqual([]);
    expect(anchorAncestors(1)).toEqual([0]);
    expect(anchorAncestors(3)).toEqual([0, 1, 2]);
    expect(anchorAncestors(600)).toEqual([0, 512, ...tenBefore(600)]);
    // The epoch of 513 opens with 512 itself.
    expect(anchorAncestors(512)).toEqual([0, ...tenBefore(512)]);
    // 2017 looks back on the whole period, 2018 no longer.
    expect(anchorAncestors(2016)).toEqual([0, 1792, ...tenBefore(2016)]);
    expect(anchorAncestors(2017)).toEqual([1792, ...tenBefore(2017)]);
    // 16,128 is both at once, for the first time.
    expect(anchorAncestors(16_128)).toEqual([14_112, ...tenBefore(16_128)]);
  });
});

function tenBefore(height: number): number[] {
  return Array.from({ length: 10 }, (_, i) => height - 10 + i);
}

describe('verifyHeaders', () => {
  it('takes a whole recorded chain from its genesis, and knows its work', async () => {
    const pow = new RecordedPow();
    const run = await verify(GENESIS, solonetRun(1, 2030), pow);
    expect(run.tipHash).toEqual(hashOf(2030));
    expect(run.work).toBe(solonetHeaders()[2030]!.totalWork - solonetHeaders()[0]!.totalWork);
    expect(run.anchor).toEqual(anchorOf(2030));
    expect(pow.batches.reduce((sum, { size }) => sum + size, 0)).toBe(2030);
  });

  it('goes on from where a run ended, or from any block with what that block needs', async () => {
    for (const [from, to] of [
      [1, 3],
      [250, 260],
      [255, 257],
      [256, 258],
      [600, 2030],
      [2015, 2020],
      [2016, 2020],
      [2017, 2030],
    ] as const) {
      const run = await verify(anchorOf(from), solonetRun(from + 1, to));
      const { totalWork } = solonetHeaders()[to]!;
      expect(run.work, `${from} to ${to}`).toBe(totalWork - solonetHeaders()[from]!.totalWork);
      expect(run.anchor, `${from} to ${to}`).toEqual(anchorOf(to));
    }
    let anchor = GENESIS;
    for (let at = 0; at < 2030; at += 145) {
      anchor = (await verify(anchor, solonetRun(at + 1, at + 145))).anchor;
    }
    expect(anchor).toEqual(anchorOf(2030));
  });

  it('learns nothing from an empty run', async () => {
    const run = await verify(anchorOf(600), []);
    expect(run).toEqual({ anchor: anchorOf(600), tipHash: hashOf(600), work: 0n });
  });

  it('hashes by seed, in batches no larger than the hasher takes', async () => {
    const pow = new RecordedPow(100);
    await verify(anchorOf(255), solonetRun(256, 600), pow);
    const seeds = [256, 300, 513].map((height) => solonetHeaders()[height]!.seed);
    expect(pow.batches).toEqual([
      { seed: seeds[0], size: 1 },
      { seed: seeds[1], size: 100 },
      { seed: seeds[1], size: 100 },
      { seed: seeds[1], size: 56 },
      { seed: seeds[2], size: 88 },
    ]);
  });

  it('proves real work across the edge of an epoch', async () => {
    const hasher = openCpuHasher({ threads: 1, slots: 2, maxBatch: 2 });
    const tables = new TableCache({ capacity: 2 }, { build: buildMatrixTable });
    try {
      const pow = powSource(hasher, (seed) => tables.get(seed));
      const run = await verify(anchorOf(254), solonetRun(255, 258), pow);
      expect(run.tipHash).toEqual(hashOf(258));
      // At the same cost, another last header of which nobody has proved anything.
      const { header } = solonetHeaders()[257]!;
      const forged = [...solonetRun(255, 256), await withoutWork(header, pow)];
      const refused = await refusedHeader(verify(anchorOf(254), forged, pow));
      expect(refused).toEqual([2, 257, 'proof-of-work']);
    } finally {
      await hasher.close();
    }
  });
});

/** The header with the first nonce from its own on that does not meet the target. */
async function withoutWork(header: BlockHeader, pow: PowSource): Promise<BlockHeader> {
  const anchor = anchorOf(header.height - 1);
  for (let nonce = header.nonce + 1n; ; nonce++) {
    const other = { ...header, nonce };
    const good = await verify(anchor, [other], pow).then(
      () => true,
      () => false,
    );
    if (!good) return other;
  }
}

describe('a tampered run is refused', () => {
  const anchor = anchorOf(600);
  const headers = solonetRun(601, 620);

  function tampered(index: number, change: (header: BlockHeader) => Partial<BlockHeader>) {
    return headers.map((each, i) => (i === index ? { ...each, ...change(each) } : each));
  }

  const changes: readonly (readonly [
    field: keyof BlockHeader,
    change: (header: BlockHeader) => Partial<BlockHeader>,
    rule: RuleName | undefined,
  ])[] = [
    ['version', () => ({ version: 2 }), 'header-version'],
    ['height', ({ height }) => ({ height: height + 1 }), 'header-height'],
    ['bits', ({ bits }) => ({ bits: bits + 1n }), 'header-bits'],
    [
      'previousBlockHash',
      (header) => ({ previousBlockHash: changed(header.previousBlockHash) }),
      'previous-block',
    ],
    ['timestamp', () => ({ timestamp: 1 }), 'timestamp-too-early'],
    ['timestamp', () => ({ timestamp: NOW + 3_601 }), 'timestamp-too-late'],
    // What no rule covers by itself, the next header's link does, and at the tip the work.
    ['timestamp', ({ timestamp }) => ({ timestamp: timestamp + 1 }), undefined],
    ['nonce', ({ nonce }) => ({ nonce: nonce ^ 1n }), undefined],
    [
      'transactionsMerkleRoot',
      (header) => ({ transactionsMerkleRoot: changed(header.transactionsMerkleRoot) }),
      undefined,
    ],
    [
      'transactionStatusHash',
      (header) => ({ transactionStatusHash: changed(header.transactionStatusHash) }),
      undefined,
    ],
  ];

  it.each(changes)('with another %s', async (_field, change, rule) => {
    for (const index of [0, 7, 19]) {
      const atTip = index === 19;
      const refused = await refusedHeader(verify(anchor, tampered(index, change)));
      const at = rule === undefined && !atTip ? index + 1 : index;
      const expected = rule ?? (atTip ? 'proof-of-work' : 'previous-block');
      expect(refused, `header ${index}`).toEqual([at, 601 + at, expected]);
    }
  });

  it('with a header missing, twice, or out of its order', async () => {
    for (const index of [0, 7, 18]) {
      const missing = headers.toSpliced(index, 1);
      const twice = headers.toSpliced(index, 0, headers[index]!);
      const swapped = headers.with(index, headers[index + 1]!).with(index + 1, headers[index]!);
      expect((await refusedHeader(verify(anchor, missing)))[2], 'missing').toBe('header-height');
      expect((await refusedHeader(verify(anchor, twice)))[2], 'twice').toBe('header-height');
      expect((await refusedHeader(verify(anchor, swapped)))[2], 'swapped').toBe('header-height');
    }
    const backwards = await refusedHeader(verify(anchor, headers.toReversed()));
    expect(backwards).toEqual([0, 601, 'header-height']);
  });

  it('with the header of another chain at its place', async () => {
    const other = { ...headers[7]!, previousBlockHash: hashOf(300) };
    const refused = await refusedHeader(verify(anchor, headers.with(7, other)));
    expect(refused).toEqual([7, 608, 'previous-block']);
  });

  it('after another anchor than its own', async () => {
    const refused = await refusedHeader(verify(anchorOf(599), headers));
    expect(refused).toEqual([0, 600, 'header-height']);
    const sibling = { ...anchor, header: { ...anchor.header, nonce: 1n } };
    expect(await refusedHeader(verify(sibling, headers))).toEqual([0, 601, 'previous-block']);
  });

  it('with bits that are wrong only because of where the period began', async () => {
    const good = anchorOf(2016);
    const ancestors = good.ancestors.map((header) =>
      header.height === 0 ? { ...header, timestamp: header.timestamp + 10_000 } : header,
    );
    const refused = await refusedHeader(verify({ ...good, ancestors }, solonetRun(2017, 2020)));
    expect(refused).toEqual([0, 2017, 'header-bits']);
  });

  it('before any hash is computed, if a cheap rule refuses it', async () => {
    const pow = new RecordedPow();
    await refusalOf(verify(anchor, headers.with(19, { ...headers[19]!, version: 2 }), pow));
    expect(pow.batches).toEqual([]);
  });

  it('at the first batch without work, leaving the rest unhashed', async () => {
    const pow = new RecordedPow(4);
    // Any other anchor for the seed gives a work that nobody did.
    const good = anchorOf(600);
    const ancestors = good.ancestors.map((header) =>
      header.height === 512 ? { ...header, nonce: 1n } : header,
    );
    expect(await refusedHeader(verify({ ...good, ancestors }, headers, pow))).toEqual([
      0,
      601,
      'proof-of-work',
    ]);
    expect(pow.batches.map(({ size }) => size)).toEqual([4]);
  });

  it('with the rule as the cause, and the place in the message', async () => {
    const run = verify(anchor, headers.with(3, { ...headers[3]!, version: 9 }));
    const error = await run.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LightProofError);
    expect((error as LightProofError).message).toBe(
      'header 3 of the run, height 604: header-version: expected 1, got 9',
    );
    expect((error as LightProofError).cause).toBeInstanceOf(RuleError);
  });

  it.each<[Partial<BlockHeader>, string]>([
    [{ bits: -1n }, 'an unsigned 64-bit integer, got -1'],
    [{ nonce: 1n << 64n }, 'an unsigned 64-bit integer, got 18446744073709551616'],
    [{ height: 600.5 }, '"height" expected an integer 0 … 2^53−1, got 600.5'],
    [{ timestamp: Number.NaN }, '"timestamp" expected an integer 0 … 2^53−1, got NaN'],
    [{ previousBlockHash: new Uint8Array(31) }, '"previousBlockHash" expected 32 bytes, got 31'],
  ])('with %o, which is no header, as an anchor with it is', async (change, reason) => {
    const run = verify(
      anchor,
      tampered(7, () => change),
    );
    const detail = await refusalOf(run);
    expect(detail).toMatchObject({ code: 'malformed', index: 7, height: 608 });
    await expect(run).rejects.toThrow(`header 7 of the run, height 608: `);
    await expect(run).rejects.toThrow(reason);

    const refused = {
      code: 'anchor',
      expected: 'a header',
      actual: expect.stringContaining(reason),
    };
    const header = { ...anchor.header, ...change };
    expect(await refusalOf(verify({ ...anchor, header }, headers))).toMatchObject(refused);
    const ancestors = [...anchor.ancestors.slice(1), { ...anchor.ancestors[0]!, ...change }];
    expect(await refusalOf(verify({ ...anchor, ancestors }, headers))).toMatchObject(refused);
    const leading = solonetRun(0, 600);
    for (const at of [600, 300]) {
      const broken = leading.with(at, { ...leading[at]!, ...change });
      const found = refusalOf((async () => anchorAt(hashOf(600), broken))());
      expect(await found, `at ${at}`).toMatchObject({ code: 'anchor' });
    }
  });

  it('and blames nobody for a time too far ahead', async () => {
    const tip = { ...headers[19]!, timestamp: NOW + 3_601 };
    const detail = await refusalOf(verify(anchor, headers.with(19, tip)));
    expect(detail).toMatchObject({ code: 'header', refusal: { blame: 'nobody' } });
  });
});

describe('an anchor', () => {
  it('that lacks an ancestor is refused, naming its height', async () => {
    for (const height of anchorAncestors(600)) {
      const good = anchorOf(600);
      const ancestors = good.ancestors.filter((header) => header.height !== height);
      const run = verify({ ...good, ancestors }, solonetRun(601, 602));
      expect(await refusalOf(run), `without ${height}`).toEqual({
        code: 'anchor',
        expected: `a header at height ${height}`,
        actual: 'none',
      });
    }
  });

  it('whose ancestors do not link is refused', async () => {
    for (const height of tenBefore(600)) {
      const good = anchorOf(600);
      const ancestors = good.ancestors.map((header) =>
        header.height === height ? { ...header, timestamp: header.timestamp + 1 } : header,
      );
      const detail = await refusalOf(verify({ ...good, ancestors }, solonetRun(601, 602)));
      expect(detail, `${height}`).toMatchObject({
        code: 'anchor',
        expected: expect.stringContaining(`a header at height ${height + 1} after`),
      });
    }
  });

  it('may hold its ancestors in any order, and others with them', async () => {
    const good = anchorOf(600);
    const ancestors = [solonetHeaders()[400]!.header, ...good.ancestors.toReversed()];
    const run = await verify({ ...good, ancestors }, solonetRun(601, 700));
    expect(run.tipHash).toEqual(hashOf(700));
  });
});

describe('anchorAt', () => {
  it('gets everything from headers of anybody, by a hash that is trusted', async () => {
    for (const height of [0, 1, 5, 11, 256, 600, 2016, 2017, 2030]) {
      const first = anchorAncestors(height)[0] ?? height;
      const anchor = anchorAt(hashOf(height), solonetRun(first, height));
      expect(anchor, `${height}`).toEqual(anchorOf(height));
    }
    expect(anchorAt(hashOf(2030), solonetRun(0, 2030))).toEqual(anchorOf(2030));
  });

  it('refuses headers that do not lead to that hash', () => {
    const headers = solonetRun(0, 600);
    const refused: readonly (readonly [string, readonly BlockHeader[], string])[] = [
      ['none', [], 'expected at least one header, got none'],
      ['too few', headers.slice(1), 'expected headers from height 0 on, got the first at 1'],
      ['another last one', headers.slice(0, -1), 'at height 599'],
      ['a gap', headers.toSpliced(300, 1), 'expected height 300, got 299'],
      ['one twice', headers.toSpliced(300, 0, headers[300]!), 'expected height 299, got 300'],
      ['one changed', headers.with(300, { ...headers[300]!, nonce: 1n }), 'at height 300'],
      ['the first changed', headers.with(0, { ...headers[0]!, nonce: 1n }), 'at height 0'],
    ];
    for (const [name, run, message] of refused) {
      expect(() => anchorAt(hashOf(600), run), name).toThrow(LightProofError);
      expect(() => anchorAt(hashOf(600), run), name).toThrow(message);
    }
  });
});

describe('powSource', () => {
  it('loads the table of the seed and hashes in order', async () => {
    const hasher = new StandInHasher({ maxBatch: 5 });
    const pow = powSource(hasher, standInTable);
    expect(pow.maxBatch).toBe(5);
    const seed = hashOf(3);
    const headerHashes = Uint8Array.from([...hashOf(1), ...hashOf(2)]);
    const powHashes = await pow.hash(seed, headerHashes);
    expect(bytesToHex(powHashes)).toBe(
      bytesToHex(standInHash(seed, hashOf(1))) + bytesToHex(standInHash(seed, hashOf(2))),
    );
    expect(hasher.loads).toEqual([bytesToHex(seed)]);
  });

  it('hands the signal on', async () => {
    const aborted = AbortSignal.abort(new Error('enough'));
    const pow = powSource(new StandInHasher(), standInTable);
    const options = { now: NOW, pow, signal: aborted };
    await expect(verifyHeaders(GENESIS, solonetRun(1, 2), options)).rejects.toThrow('enough');
  });

  it('is not believed if it answers for fewer headers than asked', async () => {
    const pow: PowSource = { maxBatch: 8, hash: async () => new Uint8Array(32) };
    await expect(verify(GENESIS, solonetRun(1, 2), pow)).rejects.toThrow(
      '"pow" expected to give 64 bytes of PoW hashes, got 32',
    );
  });
});
