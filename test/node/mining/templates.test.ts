import { describe, expect, it } from 'vitest';
import type { Tx } from '../../../src/chain/tx.ts';
import { MAINNET, SOLONET } from '../../../src/consensus/network.ts';
import { subsidy } from '../../../src/consensus/subsidy.ts';
import { templateTime } from '../../../src/node/mining/template-time.ts';
import type { BlockTemplate, TemplateReason } from '../../../src/node/mining/templates.ts';
import { bytesToHex, concatBytes } from '../../../src/util/bytes.ts';
import { assemble } from '../../../src/vm/assemble.ts';
import { settle } from '../../support/fake-clock.ts';
import {
  ANYONE,
  coinOf,
  FEE,
  issuer,
  NOBODY,
  programOwner,
  scriptOwner,
  transaction,
} from '../../support/spending.ts';
import { BASE, BASE_HEIGHT, TemplateRig, type TemplateRigOptions } from './template-rig.ts';

const NEXT = BASE_HEIGHT + 1;

async function withRig(
  run: (rig: TemplateRig) => Promise<void>,
  options: TemplateRigOptions = {},
): Promise<void> {
  const rig = await TemplateRig.open(options);
  try {
    await run(rig);
  } finally {
    await rig.close();
  }
  expect(rig.pool.listeners).toBe(0);
  expect(rig.chain.clock.sleeping).toBe(0);
}

/** Spends the coinbase at `height`, with this fee. */
function spend(height: number, fee: bigint = FEE, timeRange = 0n): Tx {
  const coin = BASE.coinbase(height);
  return transaction({ from: [coin], to: [{ to: ANYONE, amount: coin.amount - fee }], timeRange });
}

function child(of: Tx): Tx {
  const coin = coinOf(of, 0, ANYONE);
  return transaction({ from: [coin], to: [{ to: ANYONE, amount: coin.amount - FEE }] });
}

function idsOf(template: Pick<BlockTemplate, 'transactions'>): readonly string[] {
  return template.transactions.slice(1).map(({ id }) => bytesToHex(id));
}

function ids(...transactions: readonly Tx[]): readonly string[] {
  return transactions.map(({ id }) => bytesToHex(id));
}

/** A transaction that uses exactly `gas`. */
function heavy(height: number, gas: number): Tx {
  const coin = BASE.coinbase(height);
  const of = (length: number): Tx =>
    transaction({
      from: [coin],
      to: [
        { to: ANYONE, amount: coin.amount - FEE - 1n },
        { to: programOwner(concatBytes(NOBODY.program, new Uint8Array(length))), amount: 1n },
      ],
    });
  const overhead = of(gas).raw.length - gas;
  return of(gas - overhead - 10);
}

describe('a template', () => {
  it('is the next block: of the parent, its bits and seed, with the coinbase as the reference makes it', async () => {
    await withRig(async (rig) => {
      const { header, seed, target, transactions, fees, gasUsed } = await rig.templates.current();
      const context = rig.chain.chain.nextHeaderContext();
      expect(header).toMatchObject({ version: 1, height: NEXT, nonce: 0n });
      expect(header.bits).toBe(context.requiredBits);
      expect(header.previousBlockHash).toEqual(rig.chain.chain.tip.hash);
      expect(seed).toEqual(context.seed);
      expect(target).toBeGreaterThan(0n);
      expect([transactions.length, fees, gasUsed]).toEqual([1, 0n, 0]);
      const [coinbase] = transactions;
      expect(coinbase!.inputs).toEqual([
        { type: 'coinbase', arbitrary: new TextEncoder().encode(`\0${NEXT}`) },
      ]);
      expect(coinbase!.outputs).toMatchObject([
        { amount: subsidy(NEXT), controlProgram: Uint8Array.of(0x51) },
      ]);
      expect(coinbase!.timeRange).toBe(0n);
    });
  });

  it('pays subsidy and fees to the mining address, and says what the miner says', async () => {
    await withRig(async (rig) => {
      await rig.settings.setAddress('sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5');
      await rig.settings.setArbitrary(new TextEncoder().encode('/hello'));
      rig.pooled(spend(1), spend(2, 3n * FEE));
      const template = await rig.templates.current();
      const [coinbase] = template.transactions;
      expect(template.fees).toBe(4n * FEE);
      expect(coinbase!.outputs[0]).toMatchObject({
        amount: subsidy(NEXT) + 4n * FEE,
        controlProgram: rig.settings.program,
      });
      expect(coinbase!.inputs[0]).toMatchObject({
        arbitrary: new TextEncoder().encode(`\0${NEXT}/hello`),
      });
      expect(await rig.submit(template)).toBe('connected');
    });
  });

  it('has the room for 107 bytes of the miner', async () => {
    await withRig(async (rig) => {
      await rig.settings.setArbitrary(new Uint8Array(107).fill(7));
      expect(await rig.submit(await rig.templates.current())).toBe('connected');
    });
  });

  it('takes parents and children, and skips what has no coin, with its children', async () => {
    await withRig(async (rig) => {
      const [parent, first, other] = [spend(1), spend(2), spend(2, 2n * FEE)];
      const all = [parent, child(parent), first, other, child(other), spend(BASE_HEIGHT)];
      expect(rig.pooled(...all)).toBe(6);
      const template = await rig.templates.current();
      expect(idsOf(template)).toEqual(ids(parent, child(parent), first));
      expect(await rig.submit(template)).toBe('connected');
      // All of it is still pooled, and spent.
      expect(idsOf(await rig.templates.current())).toEqual([]);
    });
  });

  it('takes coins of a coinbase from the block on in which they are mature', async () => {
    await withRig(async (rig) => {
      const mature = NEXT - 100;
      rig.pooled(spend(mature + 1), spend(mature));
      expect(idsOf(await rig.templates.current())).toEqual(ids(spend(mature)));
      expect(await rig.submit(await rig.templates.current())).toBe('connected');
      expect(idsOf(await rig.templates.current())).toEqual(ids(spend(mature + 1)));
    });
  });

  it('takes a time range that ends with it, and none that ends with its parent', async () => {
    await withRig(async (rig) => {
      const [past, last, open] = [
        spend(1, FEE, BigInt(BASE_HEIGHT)),
        spend(2, FEE, BigInt(NEXT)),
        spend(3, FEE, BigInt(NEXT + 1)),
      ];
      expect(rig.pooled(past, last, open)).toBe(3);
      const template = await rig.templates.current();
      expect(idsOf(template)).toEqual(ids(last, open));
      expect(await rig.submit(template)).toBe('connected');
    });
  });

  it('fills up to 10,000,000 gas, and skips what is too large for the rest', async () => {
    await withRig(async (rig) => {
      const fan = transaction({
        from: [BASE.coinbase(1), BASE.coinbase(2)],
        to: Array.from({ length: 60 }, () => ({ to: ANYONE, amount: 1_000_000_000n })),
      });
      rig.builder.block({ transactions: [fan] });
      expect(await rig.chain.submit(rig.builder.tip)).toBe('connected');
      const of = (n: number, gas: number): Tx => {
        const coin = coinOf(fan, n, ANYONE);
        const make = (length: number): Tx =>
          transaction({
            from: [coin],
            to: [
              { to: programOwner(concatBytes(NOBODY.program, new Uint8Array(length))), amount: 1n },
            ],
          });
        return make(gas - (make(gas).raw.length - gas) - 10);
      };
      const full = Array.from({ length: 50 }, (_, n) => of(n, 198_000));
      const rest = 10_000_000 - 50 * 198_000;
      const [over, exact, more] = [of(50, rest + 1), of(51, rest), of(52, 1000)];
      expect(rig.pooled(...full, over, exact, more)).toBe(53);
      const template = await rig.templates.current();
      expect(template.gasUsed).toBe(10_000_000);
      expect(idsOf(template)).toEqual(ids(...full, exact));
      expect(await rig.submit(template)).toBe('connected');
    });
  });

  it('marks what fails in part, and leaves its other assets where they were', async () => {
    await withRig(async (rig) => {
      const refusing = issuer(programOwner(assemble('FALSE')));
      const coin = BASE.coinbase(1);
      const fails = transaction({
        from: [coin],
        issue: [{ issuer: refusing, amount: 9n }],
        to: [
          { to: ANYONE, amount: 9n, assetId: refusing.assetId },
          { to: ANYONE, amount: coin.amount - FEE },
        ],
      });
      const never = transaction({
        from: [coinOf(fails, 0, ANYONE), BASE.coinbase(2)],
        to: [
          { to: ANYONE, amount: 9n, assetId: refusing.assetId },
          { to: ANYONE, amount: coin.amount - FEE },
        ],
      });
      const change = coinOf(fails, 1, ANYONE);
      const goesOn = transaction({
        from: [change],
        to: [{ to: ANYONE, amount: change.amount - FEE }],
      });
      expect(rig.pooled(fails, never, goesOn)).toBe(3);
      const template = await rig.templates.current();
      expect(idsOf(template)).toEqual(ids(fails, goesOn));
      expect(await rig.submit(template)).toBe('connected');
    });
  });

  it('takes what gains gas where the sum stays above zero, if need be behind others', async () => {
    // A child fails for want of gas and leaves its parent bytes that it never paid for.
    const round = '0 0xc4 1 CHECKPREDICATE DROP ';
    const generous = issuer(
      programOwner(assemble(`${round.repeat(10)} 0x${'00'.repeat(400)} DROP TRUE`)),
    );
    const coin = BASE.coinbase(1);
    const gains = transaction({
      from: [coin],
      issue: [{ issuer: generous, amount: 1n }],
      to: [
        { to: ANYONE, amount: coin.amount - FEE },
        { to: NOBODY, amount: 1n, assetId: generous.assetId },
      ],
    });
    await withRig(async (rig) => {
      rig.pooled(gains, child(gains));
      expect(idsOf(await rig.templates.current())).toEqual([]);
      expect(await rig.submit(await rig.templates.current())).toBe('connected');
      rig.pooled(heavy(2, 50_000), child(heavy(2, 50_000)));
      const template = await rig.templates.current();
      expect(idsOf(template)).toEqual(
        ids(heavy(2, 50_000), child(heavy(2, 50_000)), gains, child(gains)),
      );
      expect(await rig.submit(template)).toBe('connected');
    });
  });

  it('asks programs about the height of the block, not of its parent', async () => {
    const before = scriptOwner(assemble(`${NEXT} BLOCKHEIGHT GREATERTHAN VERIFY TRUE`));
    const after = scriptOwner(assemble(`BLOCKHEIGHT ${NEXT} GREATERTHAN`));
    await withRig(async (rig) => {
      const coins = [BASE.coinbase(1), BASE.coinbase(2)];
      const funding = transaction({
        from: coins,
        to: [before, after].map((to) => ({ to, amount: coins[0]!.amount - FEE })),
      });
      for (const transactions of [[funding], []]) {
        await rig.chain.submit(rig.builder.block({ transactions }));
      }
      const use = (n: number, owner: typeof before): Tx => {
        const coin = coinOf(funding, n, owner);
        return transaction({ from: [coin], to: [{ to: ANYONE, amount: coin.amount - FEE }] });
      };
      const { height } = rig.chain.chain.tip.header;
      expect(height).toBe(NEXT + 1);
      // The pool believes both, as of the height at which each was valid.
      expect(rig.pool.add(use(0, before), NEXT - 1)).toBe(true);
      expect(rig.pool.add(use(1, after), height)).toBe(true);
      const template = await rig.templates.current();
      expect(idsOf(template)).toEqual(ids(use(1, after)));
      expect(await rig.submit(template)).toBe('connected');
    });
  });

  describe('with a program that gains as much gas as it uses', () => {
    const loop = (rounds: number): string =>
      `${rounds} $l 0 0xc4 1 CHECKPREDICATE DROP 1SUB DUP JUMPIF:$l DROP 1 JUMP:$end ` +
      `RAW:0x${'61'.repeat(41)} $end`;

    async function templatesWith(
      rounds: number,
      programs: number,
    ): Promise<readonly (readonly string[])[]> {
      const coin = BASE.coinbase(1);
      const long = issuer(programOwner(assemble(loop(rounds))));
      const issue = Array.from({ length: programs }, (_, i) => ({
        issuer: long,
        amount: 5n,
        nonce: Uint8Array.of(i),
      }));
      const tx = transaction({
        from: [coin],
        issue,
        to: [
          { to: ANYONE, amount: coin.amount - FEE },
          { to: ANYONE, amount: 5n * BigInt(programs), assetId: long.assetId },
        ],
      });
      const told: (readonly string[])[] = [];
      await withRig(async (rig) => {
        rig.templates.onTemplate((template) => told.push(idsOf(template)));
        rig.pool.claim({ tx, fee: FEE, gasUsed: 1000, statusFail: false });
        for (let turns = 0; turns < 20; turns++) await settle();
        // Nothing is validated twice at one height.
        const reads = rig.pool.reads;
        await rig.chain.clock.advance(10_000);
        expect(rig.pool.reads).toBe(reads);
      });
      return told.map((list) => list.map((id) => (id === bytesToHex(tx.id) ? 'it' : id)));
    }

    it('takes one that is long one template later', async () => {
      expect(await templatesWith(50, 20)).toEqual([[], ['it']]);
    });

    it('takes none that is longer than the pool allows', async () => {
      expect(await templatesWith(100_000, 1)).toEqual([[]]);
    });
  });
});

describe('the time of a template', () => {
  it('is 150 s after the parent on solonet, until that reaches the clock', async () => {
    await withRig(async (rig) => {
      const parent = BASE.tip.header.timestamp;
      for (const [after, expected] of [
        [1_000_000, 150],
        [150.9, 150],
        [149.9, 149],
        [7, 7],
        // Later than the median time in any case: that is the time of block 115.
        [-1200, -749],
      ] as const) {
        rig.now = parent + after;
        const { header } = await rig.templates.current();
        expect(header.timestamp - parent, `${after} s after the parent`).toBe(expected);
        expect(rig.templates.kept).toBe(1);
      }
    });
  });

  it('keeps the difficulty of a chain that begins in 2018 over its first retarget', () => {
    const parent = { timestamp: SOLONET.genesis.header.timestamp };
    for (let height = 1; height <= 2016; height++) {
      const context = { parent: { header: parent }, medianTime: parent.timestamp - 700 };
      parent.timestamp = templateTime('solonet', context as never, 1_800_000_000);
    }
    expect(parent.timestamp - SOLONET.genesis.header.timestamp).toBe(2016 * 150);
  });

  it('is that of the clock on mainnet', () => {
    const [parent] = [{ header: MAINNET.genesis.header, hash: MAINNET.genesis.hash }];
    const { timestamp } = parent.header;
    expect(templateTime('mainnet', { parent, medianTime: timestamp }, 1_800_000_000.7)).toBe(
      1_800_000_000,
    );
    expect(templateTime('testnet', { parent, medianTime: timestamp }, 1_800_000_000)).toBe(
      timestamp + 150,
    );
  });

  it('there is none where the earliest is further ahead of the clock than a block may be', async () => {
    await withRig(async (rig) => {
      const earliest = BASE.blocks[BASE_HEIGHT - 5]!.header.timestamp + 1;
      rig.now = earliest - 3600;
      const template = await rig.templates.current();
      expect(template.header.timestamp).toBe(earliest);
      expect(await rig.submit(template)).toBe('connected');
      // That block is the median now.
      const told: BlockTemplate[] = [];
      rig.templates.onTemplate((each) => told.push(each));
      await settle();
      await expect(rig.templates.current()).rejects.toThrow("ahead of this machine's clock");
      expect(told).toEqual([]);
      expect(rig.chain.log.of('no template')).toHaveLength(1);
    });
  });
});

describe('work', () => {
  it('may have another nonce and another time than its template', async () => {
    await withRig(async (rig) => {
      const template = await rig.templates.current();
      const { timestamp } = template.header;
      const header = { nonce: 2n ** 63n - 1n, timestamp: timestamp + 7 };
      expect(await rig.submit(template, header)).toBe('connected');
      expect(rig.chain.chain.tip.header).toEqual({ ...template.header, ...header });
    });
  });

  it('counts for every template of the parent that is the best block', async () => {
    for (const older of [true, false]) {
      await withRig(async (rig) => {
        const first = await rig.templates.current();
        rig.pooled(spend(1));
        await rig.chain.clock.advance(1000);
        const second = await rig.templates.current();
        expect(idsOf(second)).toEqual(ids(spend(1)));
        expect(rig.templates.kept).toBe(2);
        const [taken, late] = older ? [first, second] : [second, first];
        expect(await rig.submit(taken)).toBe('connected');
        expect(rig.chain.chain.block(rig.chain.chain.tip.hash)!.transactions).toEqual(
          taken.transactions,
        );
        expect(await rig.submit(late)).toBe('changed');
        expect(rig.templates.kept).toBe(0);
      });
    }
  });

  it('twice is harmless, at once and later', async () => {
    await withRig(async (rig) => {
      const template = await rig.templates.current();
      const both = [rig.submit(template), rig.submit(template)];
      expect(await Promise.all(both)).toEqual(['connected', 'known']);
      expect(await rig.submit(template)).toBe('changed');
      expect(rig.chain.chain.tip.header.height).toBe(NEXT);
    });
  });

  it('without the roots of a template is work on the newest', async () => {
    await withRig(async (rig) => {
      const template = await rig.templates.current();
      const none = new Uint8Array(32);
      const header = {
        ...template.header,
        version: 0,
        height: 0,
        bits: 0n,
        transactionsMerkleRoot: none,
        transactionStatusHash: none,
        nonce: 5n,
      };
      expect(await rig.submitHeader(header, template)).toBe('connected');
    });
  });

  it('finds its template even if nobody has asked for one', async () => {
    await withRig(async (rig) => {
      const { header } = await rig.templates.current();
      expect(rig.templates.kept).toBe(1);
      expect(await rig.submitHeader({ ...header, nonce: 1n })).toBe('proof-of-work');
    });
  });

  it('is refused for what is wrong with it', async () => {
    await withRig(async (rig) => {
      const template = await rig.templates.current();
      const { header } = template;
      const { timestamp } = header;
      const cases: [Partial<typeof header>, string][] = [
        [{ previousBlockHash: BASE.blocks[BASE_HEIGHT - 1]!.hash }, 'changed'],
        [{ previousBlockHash: new Uint8Array(0) }, 'changed'],
        [{ nonce: 2n ** 63n }, 'nonce'],
        [{ nonce: -1n }, 'nonce'],
        [{ timestamp: 2 ** 53 }, 'timestamp'],
        [{ timestamp: -1 }, 'timestamp'],
        [{ timestamp: 0.5 }, 'timestamp'],
        [{ timestamp: 0 }, 'timestamp-too-early'],
        [{ timestamp: timestamp - 150 - 750 }, 'timestamp-too-early'],
        [{ timestamp: Math.floor(rig.now) + 3601 }, 'timestamp-too-late'],
        [{ nonce: 1n }, 'proof-of-work'],
      ];
      for (const [change, expected] of cases) {
        expect(await rig.submitHeader({ ...header, ...change }), expected).toBe(expected);
      }
      // Nothing of it is kept.
      expect(await rig.templates.current()).toEqual(template);
      expect(await rig.submit(template, { timestamp: timestamp - 150 - 749 })).toBe('connected');
    });
  });

  it('is lost with its parent, also where the tip was reorganised away', async () => {
    await withRig(async (rig) => {
      const template = await rig.templates.current();
      await rig.reorganise(1);
      expect(await rig.submit(template)).toBe('changed');
      const next = await rig.templates.current();
      expect(next.header.height).toBe(NEXT + 1);
      expect(await rig.submit(next)).toBe('connected');
    });
  });
});

describe('templates for listeners', () => {
  interface Told {
    readonly reason: TemplateReason;
    readonly ids: readonly string[];
    readonly at: number;
  }

  function listen(rig: TemplateRig): Told[] {
    const told: Told[] = [];
    const start = rig.chain.clock.now();
    rig.templates.onTemplate((template, reason) => {
      told.push({ reason, ids: idsOf(template), at: rig.chain.clock.now() - start });
    });
    return told;
  }

  it('begin with the one of now, and go on with each new parent before the answer to its work', async () => {
    await withRig(async (rig) => {
      const told = listen(rig);
      await settle();
      expect(told).toHaveLength(1);
      const template = await rig.templates.current();
      await rig.submit(template).then(() => expect(told).toHaveLength(2));
      await rig.reorganise(1);
      await settle();
      expect(told.map(({ reason }) => reason)).toEqual(['parent', 'parent', 'parent']);
    });
  });

  it('are made once for a burst of transactions, and not sooner than a second after the last', async () => {
    await withRig(async (rig) => {
      const told = listen(rig);
      await settle();
      const reads = rig.pool.reads;
      for (const height of [1, 2, 3]) {
        rig.pooled(spend(height));
        await rig.chain.clock.advance(100);
      }
      expect(told).toHaveLength(1);
      await rig.chain.clock.advance(10_000);
      rig.pooled(spend(4));
      rig.pooled(spend(5));
      await rig.chain.clock.advance(10_000);
      expect(told.slice(1)).toEqual([
        { reason: 'refreshed', at: 1000, ids: ids(spend(1), spend(2), spend(3)) },
        { reason: 'refreshed', at: 10_350, ids: ids(...[1, 2, 3, 4, 5].map((n) => spend(n))) },
      ]);
      expect(rig.pool.reads - reads).toBe(2);
      expect(rig.templates.counts).toEqual({ made: 3, seconds: 0 });
    });
  });

  it('wait for a second also where somebody has asked for one meanwhile', async () => {
    await withRig(async (rig) => {
      const told = listen(rig);
      await settle();
      await rig.chain.clock.advance(980);
      rig.pooled(spend(1));
      await rig.chain.clock.advance(30);
      // Has what has come, and the timer for it is still running.
      expect(idsOf(await rig.templates.current())).toEqual(ids(spend(1)));
      rig.pooled(spend(2));
      await rig.chain.clock.advance(3000);
      expect(told.map(({ at }) => at)).toEqual([0, 1010, 2010]);
    });
  });

  it('are made also where transactions never cease to come', async () => {
    await withRig(async (rig) => {
      const told = listen(rig);
      await settle();
      await rig.chain.clock.advance(5000);
      for (const height of [1, 2, 3, 4]) {
        rig.pooled(spend(height));
        await rig.chain.clock.advance(40);
      }
      expect(told.slice(1)).toEqual([
        { reason: 'refreshed', at: 5050, ids: ids(spend(1), spend(2)) },
      ]);
    });
  });

  it('come sooner for fees that are worth it', async () => {
    await withRig(async (rig) => {
      const told = listen(rig);
      await settle();
      const much = subsidy(NEXT) / 100n;
      rig.pooled(spend(1, much - 2n * FEE));
      await rig.chain.clock.advance(100);
      rig.pooled(spend(2, 2n * FEE));
      await rig.chain.clock.advance(800);
      expect(told.slice(1)).toEqual([
        { reason: 'refreshed', at: 200, ids: ids(spend(1, much - 2n * FEE), spend(2, 2n * FEE)) },
      ]);
    });
  });

  it('are not told of a template that is the one they have', async () => {
    await withRig(async (rig) => {
      const told = listen(rig);
      await settle();
      const immature = spend(BASE_HEIGHT);
      rig.pooled(immature);
      await rig.chain.clock.advance(2000);
      rig.pool.remove(immature);
      await rig.chain.clock.advance(2000);
      expect(told).toHaveLength(1);
      expect(rig.templates.kept).toBe(1);
    });
  });

  it('are made at once for other settings', async () => {
    await withRig(async (rig) => {
      const told = listen(rig);
      await settle();
      const before = await rig.templates.current();
      await rig.settings.setArbitrary(Uint8Array.of(1));
      await settle();
      expect(told.map(({ reason, at }) => [reason, at])).toEqual([
        ['parent', 0],
        ['refreshed', 0],
      ]);
      expect(await rig.submit(before)).toBe('connected');
    });
  });

  it('are not made where nobody listens or asks', async () => {
    await withRig(async (rig) => {
      const end = rig.templates.onTemplate(() => {});
      await settle();
      end();
      const reads = rig.pool.reads;
      rig.pooled(spend(1));
      await rig.reorganise(1);
      await rig.chain.clock.advance(10_000);
      expect(rig.pool.reads).toBe(reads);
      rig.pooled(spend(2));
      // With the transaction that has just come, if the last template is old.
      expect(idsOf(await rig.templates.current())).toEqual(ids(spend(1), spend(2)));
      rig.pooled(spend(3));
      await rig.chain.clock.advance(999);
      expect(idsOf(await rig.templates.current())).toHaveLength(2);
      await rig.chain.clock.advance(1);
      expect(idsOf(await rig.templates.current())).toHaveLength(3);
    });
  });

  it('reach the others although one of them throws', async () => {
    await withRig(async (rig) => {
      rig.templates.onTemplate(() => {
        throw new Error('not mine');
      });
      const told = listen(rig);
      await settle();
      expect(told).toHaveLength(1);
      expect(rig.chain.log.of('template listener failed')).toHaveLength(1);
    });
  });

  it('end with the node', async () => {
    const rig = await TemplateRig.open();
    const told = listen(rig);
    await settle();
    rig.pooled(spend(1));
    await rig.templates.close();
    await rig.chain.clock.advance(10_000);
    expect([told.length, rig.chain.clock.sleeping, rig.pool.listeners]).toEqual([1, 0, 0]);
    await expect(rig.templates.current()).rejects.toMatchObject({ detail: { code: 'closed' } });
    await expect(rig.templates.submit(BASE.tip.header)).rejects.toMatchObject({
      detail: { code: 'closed' },
    });
    await rig.close();
  });
});
