import { type Duplex, duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ByteStream } from '../../src/p2p/byte-stream.ts';
import { FRAME_BYTES, FrameOpener, FrameSealer } from '../../src/p2p/frame-cipher.ts';
import { HandshakeError, openLink } from '../../src/p2p/handshake.ts';
import { NodeIdentity } from '../../src/p2p/identity.ts';
import { decodeMessage, type PeerMessage } from '../../src/p2p/messages.ts';
import { encodeNodeInfo, type NodeInfo, SERVICE } from '../../src/p2p/node-info.ts';
import { PacketDecoder, partHead } from '../../src/p2p/packets.ts';
import { openSecretConnection } from '../../src/p2p/secret-connection.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { settle } from '../support/fake-clock.ts';
import { testNodeInfo } from '../support/memory-link.ts';
import {
  recorded,
  recordedFrames,
  recordedMessages,
  recordedRemoteInfo,
} from '../support/p2p-session.ts';
import { identityOf, infoOf, LinkRig, RawPeer } from '../support/secret-links.ts';

const hex = bytesToHex;

/** The code a handshake fails with; the other end does what `peer` says. */
async function codeAgainst(
  peer: (duplex: Duplex) => unknown,
  rig = new LinkRig(),
  outbound = true,
): Promise<string> {
  const [one, other] = duplexPair();
  other.on('error', () => {});
  const outcome = openLink(one, rig.options(1, { outbound }), rig.parts(1)).then(
    () => 'ok',
    (error: unknown) => {
      if (error instanceof HandshakeError) return error.detail.code;
      throw error;
    },
  );
  await peer(other);
  const code = await outcome;
  if (code !== 'ok') expect(one.destroyed).toBe(true);
  expect(rig.clock.sleeping, 'no deadline is left').toBe(code === 'ok' ? 1 : 0);
  return code;
}

const peerWith =
  (changes: Partial<NodeInfo>, seed = 2) =>
  (duplex: Duplex): Promise<unknown> =>
    RawPeer.open(duplex, seed, infoOf(seed, changes)).catch(() => undefined);

describe('the recorded session', () => {
  it('goes the same way again, byte by byte', async () => {
    const rig = new LinkRig();
    const [one, other] = duplexPair();
    const theirs = new ByteStream(other);
    const opening = openLink(
      one,
      rig.options(1, {
        info: testNodeInfo(0, {
          publicKey: recorded('local_identity_public'),
          listenAddress: '127.0.0.1:46999',
        }),
      }),
      {
        ...rig.parts(1),
        identity: new NodeIdentity(recorded('local_identity_seed')),
        ephemeral: () => recorded('local_ephemeral_private'),
      },
    );
    const sealer = new FrameSealer(recorded('shared_secret'), recorded('recv_nonce_start'));
    const opener = new FrameOpener(recorded('shared_secret'), recorded('send_nonce_start'));
    const nextFrame = async (): Promise<Uint8Array> =>
      opener.open(await theirs.read(FRAME_BYTES)).slice();

    await theirs.write(recorded('remote_ephemeral_public'));
    expect(hex(await theirs.read(32))).toBe(hex(recorded('local_ephemeral_public')));
    await theirs.write(sealer.seal([recorded('auth_message_received')]));
    expect(hex(await nextFrame())).toBe(hex(recorded('auth_message_sent')));
    const remote = recordedRemoteInfo();
    await theirs.write(sealer.seal(remote.pieces));
    for (const [i, frame] of recordedFrames.entries()) {
      expect(hex(await nextFrame()), `frame ${i}`).toBe(hex(frame));
    }
    const link = await opening;
    expect(link.id).toBe(remote.fields.pub_key.toUpperCase());
    expect(link.info).toMatchObject({ network: 'solonet', services: 7, version: '1.1.1' });

    const received: PeerMessage[] = [];
    link.receive((message) => void received.push(message));
    for (const { dir, bytes, what } of recordedMessages) {
      if (dir === 'received') {
        received.length = 0;
        for (let at = 0; at < bytes.length; at += 1024) {
          const part = bytes.subarray(at, at + 1024);
          const isLast = at + 1024 >= bytes.length;
          await theirs.write(sealer.seal([concatBytes(partHead(part.length, isLast), part)]));
        }
        await settle();
        expect(received, what).toEqual([decodeMessage(bytes)]);
      } else {
        expect(link.send(decodeMessage(bytes)), what).toBe(true);
        const packets = new PacketDecoder();
        packets.push(await nextFrame());
        expect(packets.next(), what).toEqual({ type: 'part', payload: bytes, isLast: true });
        expect(packets.next(), what).toBeUndefined();
      }
    }
    link.close();
    await settle();
    expect(rig.clock.sleeping).toBe(0);
  });
});

describe('the handshake of two nodes', () => {
  it('makes a link with what the other side said', async () => {
    const { a, b } = await new LinkRig().pair();
    expect(a.id).toBe(bytesToHex(infoOf(2).publicKey).toUpperCase());
    expect([a.info, b.info]).toEqual([infoOf(2), infoOf(1)]);
    expect([a.outbound, b.outbound]).toEqual([true, false]);
    expect(a.stats.sentBytes).toBe(b.stats.receivedBytes);
    expect(a.stats.sentBytes).toBeGreaterThan(32 + 21 * FRAME_BYTES - 1);
  });

  it('refuses other networks, versions and keys, and who is no full node', async () => {
    expect(await codeAgainst(peerWith({}))).toBe('ok');
    expect(await codeAgainst(peerWith({ network: 'mainnet' }))).toBe('network');
    expect(await codeAgainst(peerWith({ version: '2.0.1' }))).toBe('version');
    expect(await codeAgainst(peerWith({ publicKey: new Uint8Array(32).fill(8) }))).toBe('key');
    expect(await codeAgainst(peerWith({ services: SERVICE.SPV }))).toBe('services');
    expect(await codeAgainst(peerWith({ services: SERVICE.SPV }), new LinkRig(), false)).toBe('ok');
  });

  it('refuses ourselves', async () => {
    expect(await codeAgainst(peerWith({}, 1))).toBe('self');
  });

  it('refuses what is no handshake', async () => {
    const http = Buffer.from('GET / HTTP/1.1\r\nHost: example.org\r\n\r\n'.repeat(100));
    expect(await codeAgainst((duplex) => duplex.write(http))).toBe('wire');
    expect(await codeAgainst((duplex) => duplex.write(new Uint8Array(4096)))).toBe('weak-key');
    expect(await codeAgainst((duplex) => duplex.end())).toBe('ended');
    expect(await codeAgainst((duplex) => duplex.destroy())).toBe('ended');
  });

  it('refuses a node info in more frames than any needs', async () => {
    const piecewise = async (duplex: Duplex): Promise<void> => {
      const { secret } = await openSecretConnection(new ByteStream(duplex), identityOf(2));
      const info = encodeNodeInfo(infoOf(2, { moniker: 'm'.repeat(600) }));
      void secret.write(...Array.from(info, (byte) => Uint8Array.of(byte))).catch(() => {});
    };
    expect(await codeAgainst(piecewise)).toBe('wire');
    expect(await codeAgainst(peerWith({ moniker: 'm'.repeat(600) }))).toBe('ok');
  });

  it('is over after 30 s for a peer that says nothing', async () => {
    const rig = new LinkRig();
    const code = await codeAgainst(async () => {
      await rig.clock.advance(29_999);
      expect(rig.clock.sleeping).toBe(1);
      await rig.clock.advance(1);
    }, rig);
    expect(code).toBe('timeout');
  });

  it('is over after 30 s for a peer that sends a byte now and then', async () => {
    const rig = new LinkRig();
    let sent = 0;
    const code = await codeAgainst(async (duplex) => {
      for (; !duplex.destroyed && sent < 100; sent++) {
        duplex.write(Uint8Array.of(7));
        await rig.clock.advance(2000);
        if (rig.clock.sleeping === 0) break;
      }
    }, rig);
    expect(code).toBe('timeout');
    expect(sent).toBe(14);
  });

  it('gives the node info 30 s of its own', async () => {
    const rig = new LinkRig();
    const [one, other] = duplexPair();
    const outcome = openLink(one, rig.options(1), rig.parts(1)).catch((error: unknown) => error);
    await rig.clock.advance(20_000);
    const stream = new ByteStream(other);
    const { secret } = await openSecretConnection(stream, rig.parts(2).identity);
    await settle();
    // Byte by byte, each in a frame, and never done.
    for (let i = 0; i < 10; i++) {
      await secret.write(Uint8Array.of(1));
      await rig.clock.advance(2900);
    }
    expect(rig.clock.sleeping).toBe(1);
    await rig.clock.advance(1000);
    expect(await outcome).toMatchObject({ detail: { code: 'timeout', phase: 'node info' } });
    expect(rig.clock.sleeping).toBe(0);
  });

  it('is given up with the signal, at any moment', async () => {
    const rig = new LinkRig();
    for (const early of [true, false]) {
      const [one] = duplexPair();
      const stop = new AbortController();
      if (early) stop.abort();
      const outcome = openLink(one, rig.options(1), rig.parts(1), stop.signal).catch(
        (error: unknown) => error,
      );
      await settle();
      stop.abort();
      expect(await outcome).toMatchObject({ detail: { code: 'aborted' } });
      expect(one.destroyed).toBe(true);
      expect(rig.clock.sleeping).toBe(0);
    }
  });
});
