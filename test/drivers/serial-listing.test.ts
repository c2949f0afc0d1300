/** What the serial driver lists, from lists of ports. */
import { describe, expect, it } from 'vitest';
import { selectDevices } from '../../drivers/select.ts';
import type { PortInfo } from '../../firmware-bridge/list-ports.ts';
import { ID, PATH, Ports, port, USB } from '../support/serial-ports.ts';

describe('the list of the serial driver', () => {
  const ours = { board: 'Bytom board', certainty: 'ours' } as const;
  const chip = { board: 'ESP32-S3', certainty: 'chip' } as const;
  const bridge = { board: 'CH340', certainty: 'bridge' } as const;

  it('has every port that is known of, and leaves to their names those that may be anything', async () => {
    const ports = new Ports();
    ports.listed = [
      port('/dev/ttyACM0', {
        guess: ours,
        serialNumber: '17',
        vendorId: '1209',
        productId: 'b70d',
      }),
      port('/dev/ttyACM1', { guess: chip, access: 'in-use' }),
      port('/dev/ttyUSB0', { guess: bridge, ...USB, access: 'no-permission' }),
      port('/dev/ttyS0'),
    ];
    const { devices, unavailable } = await ports.driver.enumerate();
    expect(unavailable).toBeUndefined();
    const chosen = (text: string): string[] => selectDevices(text, devices).map(({ id }) => id);
    expect(chosen('all')).toEqual(['serial:/dev/ttyACM0']);
    expect(chosen('serial:*')).toEqual(['serial:/dev/ttyACM0', 'serial:/dev/ttyACM1']);
    expect(devices.map(({ name, details }) => [name, ...(details ?? [])])).toEqual([
      ['Bytom board', 'USB 1209:b70d, serial number 17'],
      ['ESP32-S3', 'in use by another program'],
      [
        'CH340',
        'USB 1a86:7523',
        'an adapter: what is behind it is not known',
        'no permission to open it',
      ],
    ]);
    const named = (await ports.driver.enumerate('serial:/dev/ttyS0')).devices;
    expect(selectDevices('serial:/dev/ttyS0', named).map(({ name }) => name)).toEqual([
      'Serial port',
    ]);
    expect(ports.opened).toEqual([]);
  });

  it('has the addresses that were named, unopened', async () => {
    const ports = new Ports();
    ports.listed = [port(PATH)];
    const selection = `cpu, serial:tcp://10.0.0.7:4000,!serial:unix:/run/b.sock,${ID},serial:/dev/x`;
    const { devices, unavailable } = await ports.driver.enumerate(selection);
    expect(devices.map(({ id }) => id)).toEqual([
      ID,
      'serial:tcp://10.0.0.7:4000',
      'serial:unix:/run/b.sock',
      'serial:/dev/x',
    ]);
    expect(unavailable).toBeUndefined();
    expect(ports.opened).toEqual([]);
  });

  it('says what is wrong with a name, and with the package only where a port is wanted', async () => {
    const ports = new Ports();
    ports.problem = 'the package serialport is missing';
    const reason = async (selection?: string): Promise<string | undefined> =>
      (await ports.driver.enumerate(selection)).unavailable;
    expect(await reason()).toBeUndefined();
    expect(await reason('all')).toBeUndefined();
    expect(await reason('serial:unix:/run/b.sock')).toBeUndefined();
    expect(await reason(ID)).toBe('the package serialport is missing');
    expect(await reason('serial:*')).toBe('the package serialport is missing');
    expect(await reason('serial:tcp://nowhere')).toMatch(/^device: expected tcp:\/\/host:port/);
    // One that the machine itself has, as most have.
    ports.listed = [port('/dev/ttyS0')];
    expect(await reason()).toBeUndefined();
    expect(await reason('all')).toBeUndefined();
    ports.listed = [port('/dev/ttyS0'), port(PATH, USB)];
    expect(await reason()).toBe('the package serialport is missing');
  });

  it('leaves to their names boards of ours that cannot be opened', async () => {
    const ports = new Ports();
    ports.listed = (['ok', 'in-use', 'no-permission'] as const).map((access, i) =>
      port(`/dev/ttyACM${i}`, { guess: ours, access }),
    );
    const { devices } = await ports.driver.enumerate('all');
    const chosen = (text: string): string[] => selectDevices(text, devices).map(({ id }) => id);
    expect(chosen('all')).toEqual(['serial:/dev/ttyACM0']);
    expect(chosen('serial:*')).toEqual([
      'serial:/dev/ttyACM0',
      'serial:/dev/ttyACM1',
      'serial:/dev/ttyACM2',
    ]);
  });

  it('has a port once, however its name is written', async () => {
    const ports = new Ports();
    ports.listed = [port('COM3', USB)];
    const selection = 'serial:com3,serial:COM3,serial:tcp://HOST:1,serial:TCP://host:1';
    const { devices } = await ports.driver.enumerate(selection);
    expect(devices.map(({ id }) => id)).toEqual(['serial:COM3', 'serial:tcp://host:1']);
    expect(selectDevices('serial:com3', devices).map(({ id }) => id)).toEqual(['serial:COM3']);
    expect(selectDevices(selection, devices)).toEqual(devices);
  });

  it('looks at what takes long only where there may be a board', async () => {
    const ports = new Ports();
    const brief: boolean[] = [];
    const listOf = async (listed: PortInfo[], selection?: string): Promise<readonly boolean[]> => {
      brief.length = 0;
      ports.listed = listed;
      ports.onList = (isBrief) => brief.push(isBrief);
      await ports.driver.enumerate(selection);
      return brief;
    };
    expect(await listOf([], 'all')).toEqual([true]);
    expect(await listOf([port('/dev/ttyS0')], 'all')).toEqual([true]);
    expect(await listOf([], 'serial:unix:/run/b.sock')).toEqual([true]);
    expect(await listOf([port('/dev/ttyS0')], 'serial:/dev/ttyS0')).toEqual([true, false]);
    expect(await listOf([port(PATH, USB)])).toEqual([true, false]);
  });
});
