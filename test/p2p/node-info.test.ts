import { describe, expect, it } from 'vitest';
import {
  checkNodeInfo,
  decodeNodeInfo,
  encodeNodeInfo,
  type NodeInfo,
  NodeInfoError,
  nodeInfoParts,
  receiveNodeInfo,
  SERVICE,
} from '../../src/p2p/node-info.ts';
import { WireError } from '../../src/p2p/wire.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { testNodeInfo } from '../support/memory-link.ts';
import { recorded, recordedFrames, recordedRemoteInfo } from '../support/p2p-session.ts';
import { seededRandom } from '../support/random.ts';

/** What the recorded session said of this side. */
function recordedInfo(): NodeInfo {
  return testNodeInfo(0, {
    publicKey: recorded('local_identity_public'),
    listenAddress: '127.0.0.1:46999',
  });
}

/** Reads from bytes that are all there. */
function source(bytes: Uint8Array): { read(length: number): Promise<Uint8Array>; at: number } {
  const state = {
    at: 0,
    read: (length: number): Promise<Uint8Array> => {
      if (state.at + length > bytes.length) return Promise.reject(new Error('the end'));
      state.at += length;
      return Promise.resolve(bytes.subarray(state.at - length, state.at));
    },
  };
  return state;
}

describe('node info', () => {
  it('is written as recorded, whole and in pieces', () => {
    const info = recordedInfo();
    expect(bytesToHex(encodeNodeInfo(info))).toBe(bytesToHex(recorded('node_info_sent')));
    expect(nodeInfoParts(info).map(bytesToHex)).toEqual(recordedFrames.map(bytesToHex));
  });

  it('is read as recorded', () => {
    expect(decodeNodeInfo(recorded('node_info_sent'))).toEqual(recordedInfo());
    const { fields, pieces } = recordedRemoteInfo();
    expect(decodeNodeInfo(concatBytes(...pieces))).toMatchObject({
      moniker: fields.moniker,
      network: fields.network,
      listenAddress: fields.listen_addr,
      version: fields.version,
      services: 7,
    });
  });

  it('is read from a stream up to its own end and no further', async () => {
    const info = { ...recordedInfo(), alias: 'a node in the attic' };
    const bytes = encodeNodeInfo(info);
    const stream = source(concatBytes(bytes, Uint8Array.of(3, 0x40)));
    expect(await receiveNodeInfo((length) => stream.read(length))).toEqual(info);
    expect(stream.at).toBe(bytes.length);
  });

  it('comes back as it went with strings of any length', () => {
    for (const length of [0, 1, 255, 256, 9000]) {
      const info = testNodeInfo(3, { moniker: 'm'.repeat(length) });
      expect(decodeNodeInfo(encodeNodeInfo(info)), String(length)).toEqual(info);
    }
  });

  it('takes services that are missing or no number for a full node', () => {
    const parts = nodeInfoParts(testNodeInfo(1));
    const head = parts.slice(0, -5);
    const list = (...texts: string[]): Uint8Array =>
      concatBytes(
        ...(texts.length === 0 ? [Uint8Array.of(0)] : [Uint8Array.of(1, texts.length)]),
        ...texts.map((text) =>
          concatBytes(Uint8Array.of(1, text.length), Buffer.from(text, 'latin1')),
        ),
      );
    const servicesOf = (...texts: string[]): number =>
      decodeNodeInfo(concatBytes(...head, list(...texts))).services;
    expect(servicesOf()).toBe(SERVICE.FULL_NODE);
    expect(servicesOf('none')).toBe(SERVICE.FULL_NODE);
    expect(servicesOf('-4')).toBe(SERVICE.FULL_NODE);
    expect(servicesOf('4', 'alias')).toBe(SERVICE.SPV);
    expect(servicesOf('9'.repeat(200))).toBe(SERVICE.FULL_NODE);
  });

  it('refuses more than 10240 bytes before it has them', async () => {
    const large = encodeNodeInfo(testNodeInfo(1, { moniker: 'm'.repeat(10_241) }));
    expect(() => decodeNodeInfo(large)).toThrow(WireError);
    const stream = source(large);
    await expect(receiveNodeInfo((length) => stream.read(length))).rejects.toThrow(WireError);
    expect(stream.at).toBeLessThan(64);
    const sum = encodeNodeInfo(
      testNodeInfo(1, { moniker: 'm'.repeat(6000), listenAddress: 'l'.repeat(6000) }),
    );
    const second = source(sum);
    await expect(receiveNodeInfo((length) => second.read(length))).rejects.toThrow(WireError);
    expect(second.at).toBeLessThan(6200);
  });

  it('reads mutations and truncations as node infos or wire errors', async () => {
    const random = seededRandom(8);
    const below = (n: number): number => Math.floor(random() * n);
    const bytes = encodeNodeInfo({ ...recordedInfo(), alias: 'x' });
    for (let round = 0; round < 600; round++) {
      const mutant = bytes.slice(0, round % 3 === 0 ? below(bytes.length) : bytes.length);
      for (let i = 0; i <= below(3); i++) {
        if (mutant.length > 0) mutant[below(mutant.length)] = below(256);
      }
      try {
        decodeNodeInfo(mutant);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
      const stream = source(mutant);
      await receiveNodeInfo((length) => stream.read(length)).catch((error: unknown) => {
        if (!(error instanceof WireError)) expect(error).toMatchObject({ message: 'the end' });
      });
    }
  });
});

describe('the check of a node info', () => {
  const ours = testNodeInfo(1);
  const check = (changes: Partial<NodeInfo>, outbound = true, provenKey = 2): string => {
    const authenticatedKey = new Uint8Array(32).fill(provenKey);
    try {
      checkNodeInfo(testNodeInfo(2, changes), ours, { outbound, authenticatedKey });
    } catch (error) {
      if (error instanceof NodeInfoError) return error.detail.code;
      throw error;
    }
    return 'ok';
  };

  it('wants the same major version', () => {
    expect(check({ version: '1.0.0' })).toBe('ok');
    expect(check({ version: '1.9.12+ab12cd' })).toBe('ok');
    for (const version of ['2.0.0', '0.9.0', '11.1.1', '', 'one', '1.1.1.1', '-1.0.0', '1e3']) {
      expect(check({ version }), version).toBe('version');
    }
  });

  it('wants the same network', () => {
    expect(check({ network: 'mainnet' })).toBe('network');
    expect(check({ network: 'Solonet' })).toBe('network');
  });

  it('wants a full node where we dialled, and takes clients that dial us', () => {
    expect(check({ services: SERVICE.SPV })).toBe('services');
    expect(check({ services: SERVICE.SPV }, false)).toBe('ok');
    expect(check({ services: SERVICE.FULL_NODE })).toBe('ok');
  });

  it('refuses ourselves, and another key than the one that was proven', () => {
    expect(check({ publicKey: ours.publicKey }, true, 1)).toBe('self');
    expect(check({}, true, 9)).toBe('key');
  });

  it('shows no more of a hostile text than a line', () => {
    const network = `\u001b[31m${'x'.repeat(5000)}\n`;
    const error = new NodeInfoError({ code: 'network', network });
    expect(error.message.length).toBeLessThan(200);
    expect(error.message).not.toContain('\u001b');
  });
});
