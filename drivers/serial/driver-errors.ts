/** What a port, a line or a board failed with, in the words of the driver seam. */
import { LinkError, PortError } from '../../firmware-bridge/errors.ts';
import { errorText, InputError } from '../../src/util/errors.ts';
import { DriverError } from '../driver.ts';

/** Why `id` could not be opened. Anything that is no error of ports or boards is passed on as it is. */
export function openingError(id: string, error: unknown, afterMs: number): unknown {
  if (error instanceof PortError) return portError(id, error);
  if (error instanceof LinkError) return linkError(error, afterMs);
  if (error instanceof InputError) {
    return new DriverError({ code: 'not-found', id, reason: error.message }, { cause: error });
  }
  return error;
}

function portError(id: string, error: PortError): DriverError {
  const { detail } = error;
  const cause = { cause: error };
  switch (detail.code) {
    case 'no-such-port':
      return new DriverError({ code: 'not-found', id, reason: 'no such port' }, cause);
    case 'in-use':
      return new DriverError({ code: 'busy', id }, cause);
    case 'no-permission':
    case 'no-package':
      return new DriverError({ code: 'unsupported', missing: error.message }, cause);
    case 'failed':
      // Nobody listens there, or not yet.
      if (!isSocket(detail.port)) return lostBy(error);
      return new DriverError({ code: 'not-found', id, reason: detail.reason }, cause);
    case 'gone':
    case 'write-timeout':
      return lostBy(error);
  }
}

function isSocket(port: string): boolean {
  return /^(tcp|unix):/.test(port);
}

function linkError(error: LinkError, afterMs: number): DriverError {
  const { detail } = error;
  const cause = { cause: error };
  switch (detail.code) {
    case 'silent':
      // A port with something else behind it is the usual reason: what it sends tells more than the time.
      if (detail.garbage > 0) return lostBy(error);
      return new DriverError({ code: 'timeout', afterMs: Math.round(afterMs) }, cause);
    case 'version':
      return new DriverError({ code: 'unsupported', missing: error.message }, cause);
    case 'wrong': {
      const { what, expected, actual } = detail;
      const named = { expected: `${what} ${expected}`, actual };
      return new DriverError({ code: 'self-test', ...named }, cause);
    }
    case 'refused':
    case 'malformed':
    case 'restarted':
    case 'ended':
    case 'stuck':
      return lostBy(error);
  }
}

export function lostBy(error: unknown): DriverError {
  return new DriverError({ code: 'lost', reason: errorText(error) }, { cause: error });
}

/** There is nothing to be opened, or no more: a port that was unplugged, a server that does not run. */
export function isAway(error: unknown): boolean {
  if (error instanceof DriverError) return isAway(error.cause);
  if (!(error instanceof PortError)) return false;
  const { code, port } = error.detail;
  return code === 'no-such-port' || code === 'gone' || (code === 'failed' && isSocket(port));
}

export function isNoSuchPort(error: unknown): boolean {
  return error instanceof PortError && error.detail.code === 'no-such-port';
}
