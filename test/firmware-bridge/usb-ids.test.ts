import { describe, expect, it } from 'vitest';
import { guessBoard } from '../../firmware-bridge/usb-ids.ts';

describe('guessing a board by its USB ids', () => {
  it.each([
    ['303a', '1001', /^ESP32-S3/, 'chip'],
    ['0483', '374B', /^STM32 board/, 'chip'],
    ['2e8a', '000a', /^RP2040/, 'chip'],
    ['10C4', 'EA60', /^CP210/, 'bridge'],
    ['1a86', '7523', /^CH340$/, 'bridge'],
    ['0403', '6010', /^FT2232$/, 'bridge'],
    ['067b', '2303', /^PL2303$/, 'bridge'],
    ['2e8a', '000c', /Debug Probe/, 'bridge'],
  ] as const)('knows %s:%s', (vendorId, productId, board, certainty) => {
    expect(guessBoard({ vendorId, productId })).toEqual({
      board: expect.stringMatching(board),
      certainty,
    });
  });

  it('believes a device that says it is one of ours, whatever its ids', () => {
    expect(guessBoard({ vendorId: '10c4', productId: 'ea60', product: 'Tensority board' })).toEqual(
      {
        board: 'Tensority board',
        certainty: 'ours',
      },
    );
    expect(guessBoard({ manufacturer: 'bytom-tensority', product: 'H7' })).toEqual({
      board: 'bytom-tensority',
      certainty: 'ours',
    });
  });

  it.each([
    {},
    { vendorId: '303a' },
    { vendorId: '1234', productId: '5678' },
    { product: 'USB Serial', manufacturer: 'FTDI' },
  ])('does not guess from %o', (usb) => {
    expect(guessBoard(usb)).toBeUndefined();
  });
});
