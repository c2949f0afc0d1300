/** How many connections there are from where: by host, by neighbourhood, and in all. */
import { Tally } from '../tally.ts';
import { hostOf, networkOf } from './addresses.ts';

export interface CrowdLimits {
  readonly inAll: number;
  /** From one address, or one /64 of IPv6. */
  readonly perHost: number;
  /** From one /24, or one /48 of IPv6. */
  readonly perNetwork: number;
}

export class Crowd {
  readonly #limits: CrowdLimits;
  readonly #hosts = new Tally();
  readonly #networks = new Tally();
  #sockets = 0;

  constructor(limits: CrowdLimits) {
    this.#limits = limits;
  }

  /** A socket has come. False, and nothing is counted, if there are too many already. */
  openSocket(): boolean {
    if (this.#sockets >= this.#limits.inAll) return false;
    this.#sockets++;
    return true;
  }

  closeSocket(): void {
    this.#sockets--;
  }

  /** A client is known to be there. False, and nothing is counted, if there are too many of them. */
  enter(address: string): boolean {
    const host = hostOf(address);
    const network = networkOf(address);
    const { perHost, perNetwork } = this.#limits;
    if (this.#hosts.of(host) >= perHost || this.#networks.of(network) >= perNetwork) return false;
    this.#hosts.add(host);
    this.#networks.add(network);
    return true;
  }

  leave(address: string): void {
    this.#hosts.remove(hostOf(address));
    this.#networks.remove(networkOf(address));
  }
}
