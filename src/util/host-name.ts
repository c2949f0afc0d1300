/**
 * Whether a request's `Host` is one that a web page cannot have chosen. A page whose own name is
 * pointed at a loopback address (DNS rebinding) reaches local servers, but it brings its name along:
 * only `localhost`, plain addresses and the names that we were told of are answered.
 */
import { isIP } from 'node:net';

/** `host` as in the header; `names` in lower case: those under which we are reached besides. */
export function isUnforgeableHost(host: string | undefined, names: ReadonlySet<string>): boolean {
  // Only HTTP/1.0 comes without one, and no browser speaks that.
  if (host === undefined) return true;
  const name = nameOf(host);
  return name !== undefined && (name === 'localhost' || isIP(name) !== 0 || names.has(name));
}

/** The name of `name:port` in lower case, without the brackets of an IPv6 address. */
function nameOf(host: string): string | undefined {
  const found = /^(?:\[([0-9a-f:.]+)\]|([^:[\]@/\\?#\s]+?)\.?)(?::\d*)?$/i.exec(host);
  return (found?.[1] ?? found?.[2])?.toLowerCase();
}
