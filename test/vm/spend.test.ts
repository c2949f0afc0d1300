import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { ripemd160 } from '@noble/hashes/legacy.js';
import { describe, expect, it } from 'vitest';
import { concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { assemble } from '../../src/vm/assemble.ts';
import type { VmContext } from '../../src/vm/context.ts';
import { executedProgram, multisigProgram } from '../../src/vm/program.ts';
import { bvm, run } from './programs.ts';

const MESSAGE = hexToBytes(bvm.context.tx_sig_hash, 'tx_sig_hash');

interface Signer {
  readonly publicKey: Uint8Array;
  readonly secret: KeyObject;
}

/** The key pair of a 32-byte seed that is all `byte`, as PKCS #8 has it. */
function createSigner(byte: number): Signer {
  const seed = new Uint8Array(32).fill(byte);
  const der = concatBytes(hexToBytes('302e020100300506032b657004220420', 'pkcs8'), seed);
  const secret = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(secret).export({ type: 'spki', format: 'der' });
  return { publicKey: new Uint8Array(spki.subarray(-32)), secret };
}

function signatureOf({ secret }: Signer, message: Uint8Array = MESSAGE): Uint8Array {
  return new Uint8Array(sign(null, message, secret));
}

/** Spends an output under `controlProgram`. */
function spend(
  controlProgram: Uint8Array,
  items: readonly Uint8Array[],
  changes: Partial<VmContext> = {},
) {
  return run(executedProgram(controlProgram), { arguments: items, ...changes }).fault;
}

describe('an output to a key', () => {
  const signer = createSigner(1);
  const output = concatBytes(Uint8Array.of(0x00, 0x14), ripemd160(signer.publicKey));
  const signature = signatureOf(signer);

  it('is spent with the key and its signature', () => {
    expect(spend(output, [signature, signer.publicKey])).toBeUndefined();
  });

  it('is not spent with anything else', () => {
    const other = createSigner(9);
    expect(spend(output, [signatureOf(other), other.publicKey])).toBe('VERIFY failed');
    expect(spend(output, [signatureOf(other), signer.publicKey])).toBe('false result');
    const otherMessage = signatureOf(signer, new Uint8Array(32));
    expect(spend(output, [otherMessage, signer.publicKey])).toBe('false result');
    expect(spend(output, [signer.publicKey, signature])).toBe('VERIFY failed');
    expect(spend(output, [signer.publicKey])).toBe('data stack underflow');
    expect(spend(output, [])).toBe('data stack underflow');
    for (let bit = 0; bit < 512; bit += 37) {
      const broken = signature.slice();
      broken[bit >> 3]! ^= 1 << (bit & 7);
      expect(spend(output, [broken, signer.publicKey]), `bit ${bit}`).toBe('false result');
    }
  });

  it('is spent by anyone if it was written with another version', () => {
    const wrong = concatBytes(Uint8Array.of(0x51), output.subarray(1));
    expect(spend(wrong, [])).toBeUndefined();
  });
});

describe('an output to a script', () => {
  const signers = [createSigner(1), createSigner(2), createSigner(3)];
  const script = multisigProgram(
    signers.map(({ publicKey }) => publicKey),
    2,
  );
  const output = pay(script);

  it('is spent with enough signatures in the order of their keys', () => {
    for (const [i, j] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const) {
      const items = [signatureOf(signers[i]!), signatureOf(signers[j]!), script];
      expect(spend(output, items), `${i} ${j}`).toBeUndefined();
    }
  });

  it('is not spent with too few, one twice, the wrong order, or another script', () => {
    const [a, b] = [signatureOf(signers[0]!), signatureOf(signers[1]!)];
    expect(spend(output, [a, script])).toBe('false result');
    expect(spend(output, [a, a, script])).toBe('false result');
    expect(spend(output, [b, a, script])).toBe('false result');
    expect(spend(output, [a, signatureOf(createSigner(9)), script])).toBe('false result');
    expect(spend(output, [assemble('TRUE')])).toBe('VERIFY failed');
  });

  it('runs its script as a predicate: opcodes of the future do nothing there', () => {
    const future = assemble('NOPx50 NOPxff 1');
    expect(spend(pay(future), [future])).toBeUndefined();
    expect(spend(future, [])).toBe('disallowed opcode');
  });

  it('can be open only below a height', () => {
    const [signer] = signers;
    const timed = multisigProgram([signer!.publicKey], 1, 1000);
    const items = [signatureOf(signer!), timed];
    expect(spend(pay(timed), items, { blockHeight: 999 })).toBeUndefined();
    expect(spend(pay(timed), items, { blockHeight: 1000 })).toBe('false result');
  });
});

/** `00 20 <hash>` of a script. */
function pay(script: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(0x00, 0x20), sha3(script));
}
