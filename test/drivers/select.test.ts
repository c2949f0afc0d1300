import { describe, expect, it } from 'vitest';
import { type DeviceInfo, DriverError } from '../../drivers/driver.ts';
import { mayMean, selectDevices } from '../../drivers/select.ts';
import { InputError } from '../../src/util/errors.ts';

function info(id: string, processor?: string, more: Partial<DeviceInfo> = {}): DeviceInfo {
  const of = processor === undefined ? {} : { processor };
  return { id, name: id, tableSlots: 2, rollsNonce: false, ...of, ...more };
}

const LISTED = [
  info('gpu0', 'pci:01'),
  info('gpu1', 'pci:02'),
  info('gpu10', 'pci:03'),
  info('cpu', 'cpu'),
  info('onnx0', 'cpu'),
  info('onnx1'),
  info('onnx2'),
  info('gpujs', 'gpu.js', { isLastResort: true }),
  info('serial:/dev/ttyUSB0', 'usb:1'),
];

function chosen(selection: string): string[] {
  return selectDevices(selection, LISTED).map((device) => device.id);
}

describe('selectDevices', () => {
  it.each([
    ['cpu', ['cpu']],
    ['gpu1,gpu0', ['gpu0', 'gpu1']],
    ['gpu0, gpu0', ['gpu0']],
    ['gpu*', ['gpu0', 'gpu1', 'gpu10']],
    ['*0', ['gpu0', 'gpu10', 'onnx0', 'serial:/dev/ttyUSB0']],
    ['serial:/dev/ttyUSB0', ['serial:/dev/ttyUSB0']],
    ['serial:*', ['serial:/dev/ttyUSB0']],
    ['all', ['gpu0', 'gpu1', 'gpu10', 'cpu', 'serial:/dev/ttyUSB0']],
    ['!gpu1', ['gpu0', 'gpu10', 'cpu', 'serial:/dev/ttyUSB0']],
    ['!gpu*,!serial:*', ['cpu']],
    ['gpu*,!gpu10', ['gpu0', 'gpu1']],
    ['!gpu10,gpu*', ['gpu0', 'gpu1']],
    ['all,!cpu', ['gpu0', 'gpu1', 'gpu10', 'serial:/dev/ttyUSB0']],
    ['cpu,onnx0', ['cpu', 'onnx0']],
    ['onnx*', ['onnx0', 'onnx1', 'onnx2']],
    ['onnx*,!onnx1', ['onnx0', 'onnx2']],
    ['gpujs', ['gpujs']],
    ['gpu0,gpujs', ['gpu0', 'gpujs']],
    ['cpu,onnx1', ['cpu', 'onnx1']],
    ['all,onnx0', ['gpu0', 'gpu1', 'gpu10', 'cpu', 'onnx0', 'serial:/dev/ttyUSB0']],
  ])('reads %s', (selection, expected) => {
    expect(chosen(selection)).toEqual(expected);
  });

  it.each(['gpu2', 'gpu', 'GPU0', 'cpu,gpu7', '!gpu9', 'gp.0', 'tpu*', '*js'])(
    'names the devices there are when %s fits none',
    (selection) => {
      expect(() => chosen(selection)).toThrow(DriverError);
      expect(() => chosen(selection)).toThrow(
        /there are: gpu0, gpu1, gpu10, cpu, onnx0, onnx1, onnx2, gpujs, serial:/,
      );
    },
  );

  it('says of what a pattern fits that it is meant by its full name only', () => {
    const adapter = { isLastResort: true } as const;
    const listed = [
      ...LISTED,
      info('serial:/dev/ttyACM0', undefined, adapter),
      info('serial:/dev/ttyACM1', undefined, adapter),
    ];
    expect(() => selectDevices('serial:/dev/ttyACM*', listed)).toThrow(
      /: serial:\/dev\/ttyACM0, serial:\/dev\/ttyACM1: meant by their full names only$/,
    );
    expect(() => chosen('*js')).toThrow(/: gpujs: meant by its full name only$/);
    expect(() => chosen('serial:/dev/ttyX*')).not.toThrow(/full name/);
  });

  it.each([
    ['serial:com3', 'serial:COM3'],
    ['serial:\\\\.\\com3', 'serial:COM3'],
    ['!serial:com3,all,serial:tcp://h:1', 'serial:tcp://h:1'],
    ['serial:TCP://H:1', 'serial:tcp://h:1'],
  ])('knows %s however it is written', (selection, id) => {
    const listed = [info('serial:COM3', 'usb:1'), info('serial:tcp://h:1')];
    expect(selectDevices(selection, listed).map((device) => device.id)).toEqual([id]);
  });

  it('says so where nothing is left or nothing is there', () => {
    expect(() => chosen('gpu0,!gpu0')).toThrow(DriverError);
    expect(() => selectDevices('all', [])).toThrow('no such device: all (there are none)');
  });

  it.each(['', ' ', ',', 'gpu0,', '!', 'gpu0,!', '!all'])('refuses the text "%s"', (selection) => {
    expect(() => chosen(selection)).toThrow(InputError);
  });
});

describe('mayMean', () => {
  const asked = (selection: string): string[] =>
    (['cpu', 'webgpu', 'onnx', 'gpujs', 'serial', 'mock'] as const).filter((driver) =>
      mayMean(selection, driver),
    );

  it.each([
    ['cpu', ['cpu']],
    ['gpu0', ['webgpu']],
    ['gpu*', ['webgpu']],
    ['g*', ['webgpu']],
    ['*0', ['cpu', 'webgpu', 'onnx', 'serial', 'mock']],
    ['all', ['cpu', 'webgpu', 'serial', 'mock']],
    ['all,!gpu0', ['cpu', 'webgpu', 'serial', 'mock']],
    ['!gpu1', ['cpu', 'webgpu', 'serial', 'mock']],
    ['! gpu1', ['cpu', 'webgpu', 'serial', 'mock']],
    ['gpu*,!gpu1', ['webgpu']],
    ['cpu, gpu0', ['cpu', 'webgpu']],
    ['cpu,! gpu0', ['cpu', 'webgpu']],
    ['mock1', ['mock']],
    ['gpujs', ['gpujs']],
    ['gpu', ['webgpu']],
    ['onnx0', ['onnx']],
    ['onnx*', ['onnx']],
    ['o*,!onnx1', ['onnx']],
    ['onnx*,!cpu', ['cpu', 'onnx']],
    ['all,onnx0', ['cpu', 'webgpu', 'onnx', 'serial', 'mock']],
    ['all,gpujs', ['cpu', 'webgpu', 'gpujs', 'serial', 'mock']],
    ['!onnx0', ['cpu', 'webgpu', 'onnx', 'serial', 'mock']],
    ['serial:/dev/ttyUSB0', ['serial']],
    ['serial:COM3,cpu', ['cpu', 'serial']],
    ['serial:unix:/tmp/gpu0.sock', ['serial']],
    ['serial:*', ['serial']],
    ['!serial:tcp://h:1', ['cpu', 'webgpu', 'serial', 'mock']],
    ['c', []],
    ['GPU0', []],
  ])('asks for %s only %j', (selection, expected) => {
    expect(asked(selection)).toEqual(expected);
  });
});
