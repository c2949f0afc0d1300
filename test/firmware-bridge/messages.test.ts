import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Codec } from '../../firmware-bridge/codec.ts';
import {
  decodeEvent,
  EVENTS,
  FAULT,
  PROGRESS,
  ROWDATA,
  SEED_READY,
  SHARE,
} from '../../firmware-bridge/events.ts';
import {
  ABORT,
  ABORT_ANSWER,
  BAUD,
  BAUD_ANSWER,
  CKPT,
  CKPT_ANSWER,
  HELLO,
  HELLO_ANSWER,
  JOB,
  JOB_ANSWER,
  NAK_MESSAGE,
  NAK_NAMES,
  REBOOT,
  ROWS,
  ROWS_ANSWER,
  SEED,
  SEED_ANSWER,
  SELFTEST,
  SET,
  STATES,
  STATUS_ANSWER,
  TLVS,
  TYPES,
} from '../../firmware-bridge/messages.ts';
import { seededRandom } from '../support/random.ts';
import { repoRoot } from '../support/repo-files.ts';

const codecs = [
  ABORT,
  ABORT_ANSWER,
  BAUD,
  BAUD_ANSWER,
  CKPT,
  CKPT_ANSWER,
  FAULT,
  HELLO,
  HELLO_ANSWER,
  JOB,
  JOB_ANSWER,
  NAK_MESSAGE,
  PROGRESS,
  REBOOT,
  ROWDATA,
  ROWS,
  ROWS_ANSWER,
  SEED,
  SEED_ANSWER,
  SEED_READY,
  SELFTEST,
  SET,
  SHARE,
  STATUS_ANSWER,
] as unknown as readonly Codec<object>[];
const protocol = readFileSync(join(repoRoot, 'firmware-bridge/PROTOCOL.md'), 'utf8');

/** Bytes of the fixed part, added up from PROTOCOL.md by hand. */
const BYTES: Readonly<Record<string, number>> = {
  HELLO: 8,
  'answer to HELLO': 36,
  SEED: 40,
  'answer to SEED': 8,
  CKPT: 8,
  'answer to CKPT': 8,
  JOB: 56,
  'answer to JOB': 8,
  ROWS: 40,
  'answer to ROWS': 8,
  ABORT: 4,
  'answer to ABORT': 4,
  'answer to STATUS': 48,
  SET: 8,
  BAUD: 8,
  'answer to BAUD': 8,
  SELFTEST: 4,
  REBOOT: 4,
  SHARE: 48,
  ROWDATA: 8,
  PROGRESS: 56,
  FAULT: 8,
  SEED_READY: 12,
  NAK: 8,
};

describe('messages', () => {
  it('have the lengths of the document', () => {
    expect(Object.fromEntries(codecs.map(({ name, bytes }) => [name, bytes]))).toEqual(BYTES);
  });

  it('come back as they were, whatever their bytes', () => {
    const random = seededRandom(8);
    for (const each of codecs) {
      for (let run = 0; run < 20; run++) {
        const bytes = Uint8Array.from({ length: each.bytes + 5 }, () => random() * 256);
        const value = each.decode(bytes);
        // Reserved bytes go, the values stay.
        expect(each.decode(each.encode(value)), each.name).toEqual(value);
      }
    }
  });

  it('read nothing from a payload that is too short', () => {
    for (const each of codecs) {
      const call = (): unknown => each.decode(new Uint8Array(each.bytes - 1));
      expect(call, each.name).toThrow(`malformed ${each.name}`);
    }
  });

  it('have the numbers of the document', () => {
    for (const [name, type] of [...Object.entries(TYPES), ...Object.entries(EVENTS)]) {
      const hex = type.toString(16).toUpperCase().padStart(2, '0');
      expect(protocol, name).toMatch(new RegExp(`(\\*\\*|## )${name} · ${hex}\\b`));
    }
    NAK_NAMES.forEach((name, code) => {
      if (name !== undefined) expect(protocol).toContain(`| ${code} | ${name} |`);
    });
    for (const [name, type] of Object.entries(TLVS)) {
      expect(protocol).toContain(`| 0${type} | ${name} |`);
    }
    const states = /state: ([^|]*) \|/.exec(protocol)?.[1] ?? '';
    const named = states.split(', ').map((each) => /^(\d) (.*)$/.exec(each)!);
    expect(
      Object.fromEntries(named.map(([, code, text]) => [nameOf(text!), Number(code)])),
    ).toEqual(STATES);
  });
});

function nameOf(text: string): string {
  return text.toUpperCase().replaceAll(' ', '_');
}

describe('decodeEvent', () => {
  it('gives every event its name', () => {
    const names = Object.entries(EVENTS).map(([name, type]) => {
      const event = decodeEvent(type, new Uint8Array(60));
      expect(event?.event).toBe(name);
      return event?.event;
    });
    expect(names).toHaveLength(6);
  });

  it('knows nothing of later types', () => {
    expect(decodeEvent(0xc6, new Uint8Array(60))).toBeUndefined();
    expect(decodeEvent(0xfe, new Uint8Array(0))).toBeUndefined();
  });

  it('refuses ROWDATA with fewer rows than it says, and drops what is behind them', () => {
    const payload = new Uint8Array(8 + 2 * 256);
    payload[7] = 2;
    payload.fill(3, 8);
    const event = decodeEvent(EVENTS.ROWDATA, Uint8Array.from([...payload, 9, 9]));
    expect(event).toMatchObject({ n: 2, rows: payload.subarray(8) });
    expect(() => decodeEvent(EVENTS.ROWDATA, payload.subarray(0, 519))).toThrow(
      'malformed ROWDATA: expected 512 bytes of rows, got 511',
    );
  });
});
