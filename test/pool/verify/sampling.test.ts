import { describe, expect, it } from 'vitest';
import { Sampling } from '../../../pool/verify/sampling.ts';
import { Trust } from '../../../pool/verify/trust.ts';
import { settle } from '../../support/fake-clock.ts';

/** Draws as it is told; `a` is trusted. */
function rig(draws: number[]) {
  const trust = new Trust({ after: 1 }, { random: () => draws.shift() ?? 0.999 });
  trust.addGood('a', 1000);
  let held = 0;
  const occupy = (): (() => void) => {
    held++;
    return () => held--;
  };
  const sampling = new Sampling({ trust, occupy });
  const decided: string[] = [];
  const decide = (login: string): void => {
    void sampling.decide(login, 1).then((decision) => decided.push(decision));
  };
  return { trust, sampling, decide, decided, held: () => held };
}

describe('Sampling', () => {
  it('has one undecided sample of a login, and lets others wait for none of theirs', async () => {
    const { trust, sampling, decide, decided, held } = rig([0.999, 0, 0.999, 0]);
    trust.addGood('b', 1000);
    for (const login of ['a', 'a', 'a', 'a', 'b', 'stranger']) decide(login);
    await settle();
    expect([decided, held()]).toEqual([['word', 'sample', 'word', 'verify'], 2]);
    sampling.end('a', true);
    await settle();
    // Of the two that waited the first is the next sample.
    expect([decided.slice(4), held()]).toEqual([['sample'], 1]);
    trust.reset('a');
    sampling.end('a', true);
    await settle();
    expect([decided.slice(5), held()]).toEqual([['verify'], 0]);
  });

  it('holds 64 of a login, and has the rest verified', async () => {
    const { sampling, decide, decided, held } = rig([0]);
    for (let i = 0; i < 100; i++) decide('a');
    await settle();
    expect([held(), decided.filter((each) => each === 'verify').length]).toEqual([64, 35]);
    sampling.end('a', false);
    await settle();
    expect([held(), decided.filter((each) => each === 'verify').length]).toEqual([0, 99]);
  });

  it('takes nothing at its word after a sample without a verdict, until there is one', async () => {
    const { trust, sampling, decide, decided } = rig([0]);
    decide('a');
    await settle();
    sampling.end('a', false);
    decide('a');
    decide('a');
    await settle();
    expect(decided).toEqual(['sample', 'verify', 'verify']);
    trust.addGood('a', 1);
    decide('a');
    await settle();
    expect(decided.at(-1)).toBe('word');
  });
});
