import { describe, expect, it } from 'vitest';
import { readIdentity, readStatus } from '../../firmware-bridge/identity.ts';
import type { HelloAnswer, StatusAnswer } from '../../firmware-bridge/messages.ts';

const answer: HelloAnswer = {
  nonce: new Uint8Array(8),
  lowestVersion: 1,
  highestVersion: 1,
  major: 1,
  minor: 20,
  patch: 300,
  buildId: 0xab12,
  boardId: 16,
  uid: Uint8Array.from({ length: 12 }, (_, i) => 0xf0 + i),
  tlvs: new Uint8Array(0),
};
const MODES = [2, 4, 3, 0, 0, 0];

const identify = (...tlvs: readonly (readonly number[])[]): ReturnType<typeof readIdentity> =>
  readIdentity({ ...answer, tlvs: Uint8Array.from(tlvs.flat()) });
const named = (text: string): number[] => {
  const bytes = new TextEncoder().encode(text);
  return [7, bytes.length, ...bytes];
};

describe('readIdentity', () => {
  it('reads every TLV', () => {
    const identity = identify(
      [1, 4, 0, 0, 8, 0],
      [2, 4, 15, 0, 0, 0],
      [3, 2, 0, 16],
      [4, 1, 3],
      [5, 8, 0x00, 0xc2, 0x01, 0x00, 0x40, 0x42, 0x0f, 0x00],
      [6, 1, 3],
      named('a board'),
    );
    expect(identity).toEqual({
      name: 'a board',
      boardId: 16,
      uid: 'f0f1f2f3f4f5f6f7f8f9fafb',
      firmware: '1.20.300',
      buildId: '0000ab12',
      ramBytes: 524_288,
      modes: { hash: true, rows: true, ckpt: true, table: true },
      maxFrame: 4096,
      queue: 3,
      bauds: [115_200, 1_000_000],
      sensors: { temperature: true, clock: true },
    });
  });

  it('does with the modes alone, and ignores what it does not know', () => {
    expect(identify([0xee, 3, 1, 2, 3], MODES, [9, 0])).toEqual({
      name: 'board 16',
      boardId: 16,
      uid: 'f0f1f2f3f4f5f6f7f8f9fafb',
      firmware: '1.20.300',
      buildId: '0000ab12',
      modes: { hash: true, rows: true, ckpt: false, table: false },
      maxFrame: 1100,
      queue: 1,
      bauds: [],
      sensors: { temperature: false, clock: false },
    });
  });

  it('never goes below the first limit of frames, nor to a queue of none', () => {
    expect(identify(MODES, [3, 2, 100, 0], [4, 1, 0])).toMatchObject({ maxFrame: 1100, queue: 1 });
  });

  it('never goes above the longest frame of this host', () => {
    expect(identify(MODES, [3, 2, 0xff, 0xff])).toMatchObject({ maxFrame: 4128 });
  });

  it('takes values that a later version has made longer', () => {
    expect(identify(MODES, [4, 3, 5, 9, 9])).toMatchObject({ queue: 5 });
  });

  it('keeps names short and harmless', () => {
    expect(identify(MODES, named(' a\u001b[31m\nb ')).name).toBe('a [31m b');
    expect(identify(MODES, named('\u202eevil\u2066\u200b\ufeff\ue000 x')).name).toBe('evil x');
    expect(identify(MODES, named('\u200e')).name).toBe('board 16');
    expect(identify(MODES, named('ä'.repeat(60))).name).toBe('ä'.repeat(40));
    expect(identify(MODES, [7, 2, 0xff, 0xfe]).name).toBe('\ufffd\ufffd');
    expect(identify(MODES, named('\n')).name).toBe('board 16');
  });

  it.each([
    ['a TLV that runs over the end', [...MODES, 7, 5, 65], 'TLV 7 ends at 13 of 9 bytes'],
    ['half a TLV', [...MODES, 7], 'TLV 7 ends at 8 of 7 bytes'],
    ['a value that is too short', [2, 1, 3], 'TLV 2 expected 4 bytes, got 1'],
    ['no modes', [4, 1, 1], 'neither HASH nor ROWS in MODES'],
    ['modes that are of no use', [2, 4, 12, 0, 0, 0], 'neither HASH nor ROWS in MODES'],
  ])('refuses %s', (_name, tlvs, why) => {
    expect(() => identify(tlvs)).toThrow(`malformed answer to HELLO: ${why}`);
  });
});

describe('readStatus', () => {
  const idle: StatusAnswer = {
    state: 0,
    duty: 100,
    temperature: -0x8000,
    clockKhz: 0,
    uptimeS: 9,
    hashes: 8,
    crcErrors: 7,
    otherErrors: 6,
    restarts: 5,
    epoch: 0,
    jobId: 0xffff,
    shares: 3,
    nextNonce: 2n,
    product: 1,
    waiting: 0,
  };
  const without = identify(MODES);
  const withSensors = identify(MODES, [6, 1, 3]);

  it('leaves out what there is not', () => {
    expect(readStatus(idle, withSensors)).toEqual({
      state: 'IDLE',
      duty: 100,
      uptimeS: 9,
      hashes: 8,
      crcErrors: 7,
      otherErrors: 6,
      restarts: 5,
      waiting: 0,
    });
  });

  it('has all that there is', () => {
    const status = readStatus(
      { ...idle, state: 2, temperature: -15, clockKhz: 480_500, epoch: 4, jobId: 0 },
      withSensors,
    );
    expect(status).toMatchObject({
      state: 'HASHING',
      temperatureC: -1.5,
      clockMhz: 480.5,
      epoch: 4,
      job: { jobId: 0, shares: 3, nextNonce: 2n, product: 1 },
    });
  });

  it('takes 0 °C from a board with a sensor only, and any other temperature from every board', () => {
    expect(readStatus({ ...idle, temperature: 0 }, withSensors).temperatureC).toBe(0);
    expect(readStatus({ ...idle, temperature: 0 }, without).temperatureC).toBeUndefined();
    expect(readStatus({ ...idle, temperature: 951 }, without).temperatureC).toBe(95.1);
  });

  it('names a state that it does not know by its number', () => {
    expect(readStatus({ ...idle, state: 200 }, without).state).toBe(200);
  });
});
