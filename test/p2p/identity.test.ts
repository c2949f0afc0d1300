import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  IdentityError,
  loadIdentity,
  NodeIdentity,
  verifyIdentity,
} from '../../src/p2p/identity.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { recorded } from '../support/p2p-session.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'identity-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('the identity of a node', () => {
  it('signs as recorded, under the recorded key', () => {
    const identity = new NodeIdentity(recorded('local_identity_seed'));
    expect(bytesToHex(identity.publicKey)).toBe(bytesToHex(recorded('local_identity_public')));
    expect(identity.id).toBe(bytesToHex(recorded('local_identity_public')).toUpperCase());
    const signature = identity.sign(recorded('challenge'));
    expect(bytesToHex(signature)).toBe(bytesToHex(recorded('auth_message_sent').subarray(34)));
  });

  it('is verified: the recorded proof, and nothing that differs in a byte', () => {
    const proof = recorded('auth_message_received');
    const key = proof.slice(1, 33);
    const signature = proof.slice(34);
    const challenge = recorded('challenge');
    expect(verifyIdentity(key, challenge, signature)).toBe(true);
    for (const part of [key, challenge, signature]) {
      part[5]! ^= 1;
      expect(verifyIdentity(key, challenge, signature)).toBe(false);
      part[5]! ^= 1;
    }
    expect(verifyIdentity(key.subarray(1), challenge, signature)).toBe(false);
    expect(verifyIdentity(key, challenge, signature.subarray(1))).toBe(false);
  });

  it('is none where anybody could sign', () => {
    // With a key of order 1 any R = S·B verifies; here S = 0 and R is the neutral element.
    const neutral = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0));
    const signature = new Uint8Array(64);
    signature.set(neutral);
    expect(verifyIdentity(neutral, recorded('challenge'), signature)).toBe(false);
  });
});

describe('the file of an identity', () => {
  it('is made once, for its owner alone, and read from then on', async () => {
    const path = join(folder, 'node-key');
    const made = await loadIdentity(path, () => recorded('local_identity_seed'));
    expect(bytesToHex(made.publicKey)).toBe(bytesToHex(recorded('local_identity_public')));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const again = await loadIdentity(path, () => {
      throw new Error('no second identity');
    });
    expect(again.id).toBe(made.id);
  });

  it('differs from node to node', async () => {
    const a = await loadIdentity(join(folder, 'a'));
    const b = await loadIdentity(join(folder, 'b'));
    expect(a.id).not.toBe(b.id);
  });

  it('is left alone, and not shown, where it holds something else', async () => {
    const path = join(folder, 'node-key');
    for (const text of ['', 'ab'.repeat(31), `${'cd'.repeat(32)}ff`, 'zz'.repeat(32)]) {
      await writeFile(path, text);
      const error = await loadIdentity(path).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(IdentityError);
      expect(error).toMatchObject({ detail: { code: 'bad-identity-file', path } });
      expect((error as Error).message).not.toContain('cdcd');
      expect(await readFile(path, 'latin1')).toBe(text);
    }
  });

  it('reports what the file system says', async () => {
    await expect(loadIdentity(join(folder, 'missing', 'node-key'))).rejects.toMatchObject({
      code: 'ENOENT',
    });
    await expect(loadIdentity(folder)).rejects.toMatchObject({ code: 'EISDIR' });
  });
});
