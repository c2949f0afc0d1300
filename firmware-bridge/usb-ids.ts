/**
 * What is behind a serial port, as far as its USB ids tell. A chip that is its own USB device tells what it is;
 * a bridge between USB and a UART tells only what the cable is: any board may be at its other end.
 *
 * From Raspberry Pi's list of product ids, Espressif's pages on USB device descriptors, the ST-LINK driver of OpenOCD
 * and, for bridges, the drivers of Linux and of WCH.
 * K210 boards have none of their own: they are behind a bridge. Boot loaders that are disks (RP2040, RP2350) are
 * no ports.
 */

export interface BoardGuess {
  readonly board: string;
  /**
   * `ours`: it says that it runs our firmware. `chip`: it is the board that is named, with whatever firmware.
   * `bridge`: an adapter, with anything behind it.
   */
  readonly certainty: 'ours' | 'chip' | 'bridge';
}

export interface UsbIdentity {
  /** Four hexadecimal digits each, in either case. */
  readonly vendorId?: string | undefined;
  readonly productId?: string | undefined;
  readonly manufacturer?: string | undefined;
  readonly product?: string | undefined;
}

const CHIPS: Readonly<Record<string, string>> = {
  '303a:0002': 'ESP32-S2, boot loader',
  '303a:1001': 'ESP32-S3, -C3, -C6, -H2 or -P4, USB serial/JTAG',
  '0483:5740': 'STM32, virtual COM port',
  '0483:374b': 'STM32 board, ST-LINK/V2-1',
  '0483:3752': 'STM32 board, ST-LINK/V2-1',
  '0483:374e': 'STM32 board, STLINK-V3E',
  '0483:3754': 'STM32 board, STLINK-V3E',
  '2e8a:0005': 'RP2040 or RP2350, MicroPython',
  '2e8a:0009': 'RP2350, Pico SDK',
  '2e8a:000a': 'RP2040, Pico SDK',
  '2e8a:000b': 'RP2040 or RP2350, CircuitPython',
  '3346:1000': 'SG200x or CV180x (Milk-V Duo), boot loader',
};

const BRIDGES: Readonly<Record<string, string>> = {
  '10c4:ea60': 'CP2102, CP2104 or CP2102N',
  '10c4:ea70': 'CP2105',
  '10c4:ea71': 'CP2108',
  '1a86:7523': 'CH340',
  '1a86:5523': 'CH341',
  '1a86:55d3': 'CH343',
  '1a86:55d4': 'CH9102',
  '0403:6001': 'FT232R',
  '0403:6010': 'FT2232',
  '0403:6011': 'FT4232H',
  '0403:6014': 'FT232H',
  '0403:6015': 'FT230X or FT231X',
  '067b:2303': 'PL2303',
  '067b:23a3': 'PL2303GC',
  '0483:374f': 'STLINK-V3SET',
  '0483:3753': 'STLINK-V3SET, two ports',
  '0483:3757': 'STLINK-V3PWR',
  '2e8a:0004': 'Picoprobe',
  '2e8a:000c': 'Raspberry Pi Debug Probe',
};

/** Undefined for a port without USB ids, and for ids that are not in the tables. */
export function guessBoard(usb: UsbIdentity): BoardGuess | undefined {
  const ours = [usb.product, usb.manufacturer].find((text) => /tensority/i.test(text ?? ''));
  if (ours !== undefined) return { board: ours, certainty: 'ours' };
  const id = `${usb.vendorId ?? ''}:${usb.productId ?? ''}`.toLowerCase();
  const chip = Object.hasOwn(CHIPS, id) ? CHIPS[id] : undefined;
  if (chip !== undefined) return { board: chip, certainty: 'chip' };
  const bridge = Object.hasOwn(BRIDGES, id) ? BRIDGES[id] : undefined;
  return bridge === undefined ? undefined : { board: bridge, certainty: 'bridge' };
}
