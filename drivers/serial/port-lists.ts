/** Lists of ports for all who ask at about the same time: boards that are away are looked for often. */
import type { ListPortsOptions, PortInfo, PortList } from '../../firmware-bridge/list-ports.ts';
import type { Clock } from '../../src/util/clock.ts';

export type ListPorts = (options: ListPortsOptions) => Promise<PortList>;

interface Listing {
  readonly at: number;
  readonly ports: Promise<readonly PortInfo[]>;
}

export class PortLists {
  readonly #list: ListPorts;
  readonly #clock: Clock;
  #last: Listing | undefined;
  #isListing = false;

  constructor(list: ListPorts, clock: Clock) {
    this.#list = list;
    this.#clock = clock;
  }

  /** Which ports there are, or were at most `maxAgeMs` ago; not whether they are free. */
  ports(maxAgeMs = 0): Promise<readonly PortInfo[]> {
    const now = this.#clock.now();
    const last = this.#last;
    if (last !== undefined && (this.#isListing || now - last.at < maxAgeMs)) return last.ports;
    this.#isListing = true;
    const ports = this.#list({ isBrief: true })
      .then((list) => list.ports)
      .finally(() => {
        this.#isListing = false;
      });
    this.#last = { at: now, ports };
    return ports;
  }
}
