/** Parts of the node as the HTTP API sees them, where that is not how they are. */
import { CodedError } from '../util/errors.ts';
import type { ApiTemplates, PeersView } from './http/api-parts.ts';
import type { MiningSettings } from './mining/mining-settings.ts';
import type { Templates } from './mining/templates.ts';

/**
 * - `no-address`: blocks would pay nobody in particular, and whoever comes first takes the reward. Its
 *   text is the reference's, which says so for `set-mining` and gives such work all the same.
 * - `no-peers`: this node was started without any.
 */
export class NodeStateError extends CodedError<{ readonly code: 'no-address' | 'no-peers' }> {
  constructor(code: 'no-address' | 'no-peers') {
    const texts = {
      'no-address': 'Mining address does not exist',
      'no-peers': 'this node was started without peers',
    } as const;
    super(texts[code], { code });
  }
}

/**
 * Templates for miners: none as long as nobody would be paid for them. What was found on an earlier one
 * is taken in any case.
 */
export function paidTemplates(
  templates: Templates,
  settings: Pick<MiningSettings, 'address'>,
): ApiTemplates {
  return {
    get counts() {
      return templates.counts;
    },
    current: () => {
      if (settings.address === undefined) return Promise.reject(new NodeStateError('no-address'));
      return templates.current();
    },
    submit: (header) => templates.submit(header),
    onTemplate: (listener) =>
      templates.onTemplate((template, reason) => {
        if (settings.address !== undefined) listener(template, reason);
      }),
  };
}

/** What a node without peers has in their place. */
export const NO_PEERS: PeersView = {
  list: () => [],
  connect: () => Promise.reject(new NodeStateError('no-peers')),
  disconnect: () => false,
  listening: false,
  syncing: false,
  highest: 0,
  counts: { inbound: 0, outbound: 0, bytesSent: 0, bytesReceived: 0, bans: 0 },
};
