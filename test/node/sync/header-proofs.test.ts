import { describe, expect, it } from 'vitest';
import { RuleError } from '../../../src/consensus/rule-error.ts';
import { type CheckedHeader, HeaderChain } from '../../../src/node/sync/header-chain.ts';
import { HeaderProofs } from '../../../src/node/sync/header-proofs.ts';
import { PowError } from '../../../src/pow/pow-error.ts';
import type { PowResult, PowVerifier } from '../../../src/pow/pow-verifier.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { ChainRig } from '../../support/chain-rig.ts';
import { settle } from '../../support/fake-clock.ts';

interface Call {
  readonly hash: string;
  readonly confirm: boolean;
}

/** Answers by what a test says of each header; keeps what it was asked for. */
class ScriptedVerifier implements Pick<PowVerifier, 'verify'> {
  readonly calls: Call[] = [];
  readonly #answer: (call: Call) => PowResult | PowError;

  constructor(answer: (call: Call) => PowResult | PowError) {
    this.#answer = answer;
  }

  async verify(
    ...[request, , signal, options]: Parameters<PowVerifier['verify']>
  ): Promise<PowResult> {
    signal?.throwIfAborted();
    const call = { hash: bytesToHex(request.headerHash), confirm: options?.confirm !== false };
    this.calls.push(call);
    await settle();
    signal?.throwIfAborted();
    const answer = this.#answer(call);
    if (answer instanceof PowError) throw answer;
    return answer;
  }
}

const GOOD: PowResult = { meets: true, powHash: new Uint8Array(32) };
const BAD: PowResult = { meets: false, powHash: new Uint8Array(32).fill(0xff) };

async function headersOf(count: number): Promise<readonly CheckedHeader[]> {
  const builder = new ChainBuilder().extend(count);
  const { store } = new ChainRig({ hasher: builder.pow.hasher() });
  const chain = new HeaderChain(
    { capacity: count, checkpoints: undefined },
    { store, now: () => 4_000_000_000 },
  );
  return builder.blocks.slice(1).map((block) => chain.append(block)!);
}

function proofsOf(verifier: ScriptedVerifier, ahead = 1000) {
  const failures: unknown[] = [];
  const proofs = new HeaderProofs(
    { ahead },
    { verifier, changed: () => {}, failed: (error) => failures.push(error) },
  );
  return { proofs, failures };
}

describe('HeaderProofs', () => {
  it('begins few at first, and more as they turn out to be good', async () => {
    const headers = await headersOf(300);
    const verifier = new ScriptedVerifier(() => GOOD);
    const { proofs } = proofsOf(verifier);
    for (const header of headers) proofs.add(header);
    proofs.pump();
    expect(verifier.calls.length).toBe(64);
    await settle();
    await settle();
    expect(verifier.calls.length).toBeGreaterThan(120);
    for (let i = 0; i < 10; i++) await settle();
    expect(verifier.calls.length).toBe(300);
    expect(headers.every(({ hash }) => proofs.isProven(hash))).toBe(true);
    expect(verifier.calls.map(({ hash }) => hash)).toEqual(
      headers.map(({ hash }) => bytesToHex(hash)),
    );
  });

  it('runs no further ahead of the chain than it may', async () => {
    const headers = await headersOf(100);
    const verifier = new ScriptedVerifier(() => GOOD);
    const { proofs } = proofsOf(verifier, 20);
    for (const header of headers) proofs.add(header);
    proofs.pump();
    for (let i = 0; i < 5; i++) await settle();
    expect(verifier.calls.length).toBe(20);
    for (const { hash } of headers.slice(0, 7)) proofs.remove(hash);
    proofs.pump();
    expect(verifier.calls.length).toBe(27);
    proofs.remove(headers[99]!.hash);
    for (const { hash } of headers.slice(7, 99)) proofs.remove(hash);
    proofs.pump();
    for (let i = 0; i < 5; i++) await settle();
    expect(verifier.calls.length).toBe(27);
  });

  it('has only the lowest doubtful one confirmed, and fails with it', async () => {
    const headers = await headersOf(30);
    const bad = new Set(headers.slice(10).map(({ hash }) => bytesToHex(hash)));
    const verifier = new ScriptedVerifier(({ hash }) => (bad.has(hash) ? BAD : GOOD));
    const { proofs, failures } = proofsOf(verifier);
    for (const header of headers) proofs.add(header);
    proofs.pump();
    for (let i = 0; i < 5; i++) await settle();
    const confirmed = verifier.calls.filter(({ confirm }) => confirm);
    expect(confirmed.map(({ hash }) => hash)).toEqual([bytesToHex(headers[10]!.hash)]);
    expect(failures).toEqual([expect.any(RuleError)]);
    expect(proofs.isProven(headers[9]!.hash)).toBe(true);
  });

  it('believes the confirming hasher', async () => {
    const headers = await headersOf(3);
    const verifier = new ScriptedVerifier(({ confirm }) => (confirm ? GOOD : BAD));
    const { proofs, failures } = proofsOf(verifier);
    for (const header of headers) proofs.add(header);
    proofs.pump();
    for (let i = 0; i < 8; i++) await settle();
    expect(headers.map(({ hash }) => proofs.isProven(hash))).toEqual([true, true, true]);
    expect(failures).toEqual([]);
  });

  it('asks again, in order, when the verifier has had no room', async () => {
    const headers = await headersOf(6);
    let full = true;
    const overloaded = new PowError({ code: 'overloaded', queued: 1 });
    const verifier = new ScriptedVerifier(() => (full ? overloaded : GOOD));
    const { proofs, failures } = proofsOf(verifier);
    for (const header of headers) proofs.add(header);
    proofs.pump();
    await settle();
    await settle();
    proofs.pump();
    expect(verifier.calls.length).toBe(6);
    full = false;
    proofs.pump(true);
    await settle();
    await settle();
    expect(verifier.calls.slice(6).map(({ hash }) => hash)).toEqual(
      headers.map(({ hash }) => bytesToHex(hash)),
    );
    expect(headers.every(({ hash }) => proofs.isProven(hash))).toBe(true);
    expect(failures).toEqual([]);
  });

  it('fails once where there is no verdict to be had, and not at all once it is closed', async () => {
    const headers = await headersOf(4);
    const error = new PowError({ code: 'unavailable', reason: 'gone' });
    const verifier = new ScriptedVerifier(() => error);
    const first = proofsOf(verifier);
    for (const header of headers) first.proofs.add(header);
    first.proofs.pump();
    await settle();
    await settle();
    expect(first.failures).toEqual([error]);
    const second = proofsOf(verifier);
    for (const header of headers) second.proofs.add(header);
    second.proofs.pump();
    second.proofs.close();
    await settle();
    await settle();
    expect(second.failures).toEqual([]);
  });
});
