import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ByteStream, StreamError } from '../../src/p2p/byte-stream.ts';
import { FRAME_BYTES, FrameOpener, FrameSealer } from '../../src/p2p/frame-cipher.ts';
import { NodeIdentity } from '../../src/p2p/identity.ts';
import {
  AuthenticationError,
  EphemeralKey,
  openSecretConnection,
} from '../../src/p2p/secret-connection.ts';
import { WireError } from '../../src/p2p/wire.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { recorded } from '../support/p2p-session.ts';
import { identityOf } from '../support/secret-links.ts';

const hex = bytesToHex;

function createEnds(): { readonly ours: ByteStream; readonly theirs: ByteStream } {
  const [one, other] = duplexPair();
  return { ours: new ByteStream(one), theirs: new ByteStream(other) };
}

/** What the identity of this seed says to a challenge. */
function proofOf(seed: number, challenge: Uint8Array): Uint8Array {
  const { publicKey } = identityOf(seed);
  const one = Uint8Array.of(1);
  return concatBytes(one, publicKey, one, identityOf(seed).sign(challenge));
}

/** How a handshake ends with a peer that sends `bytes` whatever it is told. */
async function outcomeAgainst(...bytes: readonly Uint8Array[]): Promise<unknown> {
  const { ours, theirs } = createEnds();
  const outcome = openSecretConnection(ours, identityOf(1)).catch((error: unknown) => error);
  for (const each of bytes) await theirs.write(each);
  const result = await outcome;
  theirs.destroy();
  return result;
}

describe('the keys of a session', () => {
  it('are the recorded ones', () => {
    const own = new EphemeralKey(recorded('local_ephemeral_private'));
    expect(hex(own.publicKey)).toBe(hex(recorded('local_ephemeral_public')));
    const { keys, challenge } = own.sessionWith(recorded('remote_ephemeral_public'));
    expect(hex(keys.key)).toBe(hex(recorded('shared_secret')));
    expect(hex(challenge)).toBe(hex(recorded('challenge')));
    expect(hex(keys.sendNonce)).toBe(hex(recorded('send_nonce_start')));
    expect(hex(keys.receiveNonce)).toBe(hex(recorded('recv_nonce_start')));
  });

  it('are the same on both sides, with the nonces the other way round', () => {
    const a = new EphemeralKey(new Uint8Array(32).fill(1));
    const b = new EphemeralKey(new Uint8Array(32).fill(2));
    const ofA = a.sessionWith(b.publicKey);
    const ofB = b.sessionWith(a.publicKey);
    expect(ofA.keys.key).toEqual(ofB.keys.key);
    expect(ofA.challenge).toEqual(ofB.challenge);
    expect(ofA.keys.sendNonce).toEqual(ofB.keys.receiveNonce);
    expect(ofA.keys.receiveNonce).toEqual(ofB.keys.sendNonce);
    expect(ofA.keys.sendNonce).not.toEqual(ofA.keys.receiveNonce);
  });

  it('are refused where they would not depend on both', () => {
    const own = new EphemeralKey(new Uint8Array(32).fill(1));
    // Every u of low order, in each encoding that a library may take.
    const lowOrder = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '0000000000000000000000000000000000000000000000000000000000000080',
    ];
    for (const u of lowOrder) {
      expect(() => own.sessionWith(hexToBytes(u, 'u')), u).toThrow(AuthenticationError);
    }
  });
});

describe('the handshake of a secret connection', () => {
  it('is the recorded one, frame by frame', async () => {
    const { ours, theirs } = createEnds();
    const opening = openSecretConnection(
      ours,
      new NodeIdentity(recorded('local_identity_seed')),
      recorded('local_ephemeral_private'),
    );
    const sealer = new FrameSealer(recorded('shared_secret'), recorded('recv_nonce_start'));
    await theirs.write(recorded('remote_ephemeral_public'));
    await theirs.write(sealer.seal([recorded('auth_message_received')]));
    expect(hex(await theirs.read(32))).toBe(hex(recorded('local_ephemeral_public')));
    const frame = await theirs.read(FRAME_BYTES);
    expect(hex(frame.subarray(0, 64))).toBe(hex(recorded('auth_frame_sent_first_64_bytes')));
    const opener = new FrameOpener(recorded('shared_secret'), recorded('send_nonce_start'));
    expect(hex(opener.open(frame))).toBe(hex(recorded('auth_message_sent')));
    const { secret, remoteKey } = await opening;
    expect(hex(remoteKey)).toBe(hex(recorded('auth_message_received').subarray(1, 33)));
    // And both directions go on from there.
    await theirs.write(sealer.seal([Uint8Array.of(5, 6, 7)]));
    expect(await secret.read(2)).toEqual(Uint8Array.of(5, 6));
    expect(Uint8Array.from(await secret.readSome())).toEqual(Uint8Array.of(7));
    await secret.write(Uint8Array.of(1), Uint8Array.of(2, 3));
    expect(opener.open(await theirs.read(FRAME_BYTES))).toEqual(Uint8Array.of(1));
    expect(opener.open(await theirs.read(FRAME_BYTES))).toEqual(Uint8Array.of(2, 3));
  });

  it('takes the proof in frames of any size', async () => {
    const { ours, theirs } = createEnds();
    const opening = openSecretConnection(ours, identityOf(1));
    const ephemeral = new EphemeralKey(new Uint8Array(32).fill(9));
    await theirs.write(ephemeral.publicKey);
    const { keys, challenge } = ephemeral.sessionWith(Uint8Array.from(await theirs.read(32)));
    const proof = proofOf(2, challenge);
    const sealer = new FrameSealer(keys.key, keys.sendNonce);
    // The last one goes on beyond the proof.
    const pieces = [proof.subarray(0, 1), proof.subarray(1, 50), proof.subarray(50)];
    await theirs.write(sealer.seal(pieces.slice(0, 2)));
    await theirs.write(sealer.seal([concatBytes(pieces[2]!, Uint8Array.of(77))]));
    const { secret, remoteKey } = await opening;
    expect(remoteKey).toEqual(identityOf(2).publicKey);
    expect(await secret.read(1)).toEqual(Uint8Array.of(77));
  });

  it('refuses our own ephemeral key, which a mirror sends', async () => {
    const { ours, theirs } = createEnds();
    const outcome = openSecretConnection(ours, identityOf(1)).catch((error: unknown) => error);
    await theirs.write(await theirs.read(32));
    expect(await outcome).toMatchObject({ detail: { code: 'reflected' } });
  });

  it('refuses our own identity, which a relay between two of our sockets brings', async () => {
    const { ours, theirs } = createEnds();
    const [a, b] = await Promise.all(
      [ours, theirs].map((end) =>
        openSecretConnection(end, identityOf(1)).catch((error: unknown) => error),
      ),
    );
    expect(a).toMatchObject({ detail: { code: 'self' } });
    expect(b).toMatchObject({ detail: { code: 'self' } });
  });

  it('refuses keys of low order', async () => {
    expect(await outcomeAgainst(new Uint8Array(32))).toMatchObject({
      detail: { code: 'weak-key' },
    });
  });

  it('refuses a proof that was made for another connection', async () => {
    const { ours, theirs } = createEnds();
    const outcome = openSecretConnection(ours, identityOf(1)).catch((error: unknown) => error);
    const ephemeral = new EphemeralKey(new Uint8Array(32).fill(9));
    await theirs.write(ephemeral.publicKey);
    const { keys } = ephemeral.sessionWith(Uint8Array.from(await theirs.read(32)));
    const sealer = new FrameSealer(keys.key, keys.sendNonce);
    await theirs.write(sealer.seal([recorded('auth_message_received')]));
    expect(await outcome).toMatchObject({ detail: { code: 'bad-signature' } });
  });

  it('refuses a whole handshake that is played again', async () => {
    const { ours, theirs } = createEnds();
    // Somebody keeps what an honest node says …
    const opening = openSecretConnection(ours, identityOf(2));
    const ephemeral = new EphemeralKey(new Uint8Array(32).fill(9));
    const publicKey = Uint8Array.from(await theirs.read(32));
    const { keys, challenge } = ephemeral.sessionWith(publicKey);
    await theirs.write(ephemeral.publicKey);
    await theirs.write(new FrameSealer(keys.key, keys.sendNonce).seal([proofOf(1, challenge)]));
    await opening;
    const frame = Uint8Array.from(await theirs.read(FRAME_BYTES));
    // … and says the same to another node later.
    const outcome = await outcomeAgainst(publicKey, frame);
    expect(outcome).toBeInstanceOf(WireError);
    expect(outcome).toMatchObject({ detail: { code: 'bad-frame' } });
  });

  it('ends with the stream', async () => {
    const { ours, theirs } = createEnds();
    const outcome = openSecretConnection(ours, identityOf(1)).catch((error: unknown) => error);
    await theirs.write(new Uint8Array(31));
    ours.destroy('too late');
    expect(await outcome).toBeInstanceOf(StreamError);
  });

  it('is over when the peer hangs up within it', async () => {
    const [one, other] = duplexPair();
    const outcome = openSecretConnection(new ByteStream(one), identityOf(1)).catch(
      (error: unknown) => error,
    );
    other.end(new Uint8Array(31));
    expect(await outcome).toMatchObject({ detail: { code: 'remote' } });
  });
});
