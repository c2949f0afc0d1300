/** The mended port of the package, on files instead of terminals; with terminals: e2e/serial-port.test.ts. */
import { EventEmitter } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { mendPort } from '../../firmware-bridge/serial-mend.ts';

const folder = mkdtempSync(join(tmpdir(), 'serial-mend-'));
afterAll(() => rmSync(folder, { recursive: true }));

class StandInPoller extends EventEmitter {
  readonly polled: number[] = [];

  poll(events: number): void {
    this.polled.push(events);
  }

  override once(event: 'readable' | 'writable', listener: () => void): this {
    this.poll(event === 'readable' ? 1 : 2);
    return super.once(event, listener);
  }
}

function mended(fd: number | null) {
  const poller = new StandInPoller();
  const port = {
    fd,
    isOpen: true,
    poller,
    read: (buffer: Buffer, _offset: number, _length: number) =>
      Promise.resolve({ bytesRead: -1, buffer }),
  };
  mendPort(port);
  return { port, poller };
}

describe('a mended port', () => {
  it('asks for what it waits for already, too', () => {
    const { poller } = mended(0);
    const heard: string[] = [];
    poller.once('writable', () => heard.push('writable'));
    poller.once('readable', () => heard.push('readable'));
    poller.once('readable', () => heard.push('readable'));
    poller.emit('writable');
    poller.poll(0);
    poller.emit('readable');
    poller.poll(0);
    expect(poller.polled).toEqual([2, 3, 3, 1, 0]);
    expect(heard).toEqual(['writable', 'readable', 'readable']);
  });

  it('reads what is there, and takes nothing for the end', async () => {
    const file = join(folder, 'bytes');
    writeFileSync(file, Uint8Array.of(5, 6, 7));
    const fd = openSync(file, 'r');
    const { port } = mended(fd);
    const buffer = Buffer.alloc(8);
    expect((await port.read(buffer, 1, 2)).bytesRead).toBe(2);
    expect((await port.read(buffer, 3, 5)).bytesRead).toBe(1);
    expect([...buffer]).toEqual([0, 5, 6, 7, 0, 0, 0, 0]);
    await expect(port.read(buffer, 0, 8)).rejects.toThrow('the port has hung up');
    closeSync(fd);
    await expect(port.read(buffer, 0, 8)).rejects.toMatchObject({ code: 'EBADF' });
  });

  it('is cancelled when it is closed, which is no loss', async () => {
    const { port } = mended(0);
    port.fd = null;
    await expect(port.read(Buffer.alloc(1), 0, 1)).rejects.toMatchObject({ canceled: true });
  });

  it.each([undefined, {}, { fd: 3 }, { fd: null, poller: new StandInPoller() }])(
    'is left as it is if it is built in another way: %o',
    (port) => {
      const before = { ...port };
      mendPort(port);
      expect({ ...port }).toEqual(before);
    },
  );
});
