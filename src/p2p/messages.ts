/**
 * The messages of channel 0x40. Bytom 1.x P2P: "Messages on channel 0x40". Blocks, headers and
 * transactions travel as hex text, within lists also inside double quotes; here they are plain bytes
 * and nobody has looked at them. Every list and length is bounded before it is read.
 */
import { bufferOf, WireError, WireReader, WireWriter } from './wire.ts';

export type PeerMessage =
  /** Asks for one block; height 0 means by hash, and the hash of a request by height is zero. */
  | { readonly type: 'get-block'; readonly height: number; readonly hash: Uint8Array }
  | { readonly type: 'block'; readonly block: Uint8Array }
  | {
      readonly type: 'get-headers';
      readonly locator: readonly Uint8Array[];
      readonly stop: Uint8Array;
    }
  | { readonly type: 'headers'; readonly headers: readonly Uint8Array[] }
  | {
      readonly type: 'get-blocks';
      readonly locator: readonly Uint8Array[];
      readonly stop: Uint8Array;
    }
  | { readonly type: 'blocks'; readonly blocks: readonly Uint8Array[] }
  | { readonly type: 'status-request' }
  | {
      readonly type: 'status';
      readonly height: number;
      readonly bestHash: Uint8Array;
      readonly genesisHash: Uint8Array;
    }
  | { readonly type: 'transaction'; readonly transaction: Uint8Array }
  | { readonly type: 'new-block'; readonly block: Uint8Array }
  | { readonly type: 'filter-load'; readonly programs: readonly Uint8Array[] }
  | { readonly type: 'filter-add'; readonly program: Uint8Array }
  | { readonly type: 'filter-clear' }
  | { readonly type: 'get-merkle-block'; readonly height: number; readonly hash: Uint8Array }
  | {
      readonly type: 'merkle-block';
      readonly header: Uint8Array;
      readonly transactionHashes: readonly Uint8Array[];
      readonly transactions: readonly Uint8Array[];
      readonly statusHashes: readonly Uint8Array[];
      /** JSON as it came. */
      readonly statuses: readonly Uint8Array[];
      readonly flags: Uint8Array;
    };

/** Bytes of the largest message. */
export const MAX_MESSAGE_BYTES = 22_020_096;
/** The most a message of these may hold, sent or received. */
export const MAX_HEADERS = 2048;
export const MAX_BLOCKS = 128;
/** Hashes of a locator. One with doubling steps has fewer than 80 at any height. */
export const MAX_LOCATOR = 1024;
/** Programs of one filter, and bytes of each. */
export const MAX_FILTER_PROGRAMS = 4096;
export const MAX_FILTER_PROGRAM_BYTES = 1024;
/** Hashes, transactions and flags of a Merkle block: more than a full block has of the smallest. */
const MAX_MERKLE_ENTRIES = 65_536;

const KIND = {
  'get-block': 0x10,
  block: 0x11,
  'get-headers': 0x12,
  headers: 0x13,
  'get-blocks': 0x14,
  blocks: 0x15,
  'status-request': 0x20,
  status: 0x21,
  transaction: 0x30,
  'new-block': 0x40,
  'filter-load': 0x50,
  'filter-add': 0x51,
  'filter-clear': 0x52,
  'get-merkle-block': 0x60,
  'merkle-block': 0x61,
} as const satisfies Readonly<Record<PeerMessage['type'], number>>;

const TYPES: ReadonlyMap<number, PeerMessage['type']> = new Map(
  (Object.keys(KIND) as PeerMessage['type'][]).map((type) => [KIND[type], type]),
);

const ZERO_HASH: Uint8Array = new Uint8Array(32);
/** Hashes, lengths and the like beside the blocks of a message: room for its first allocation. */
const SMALL_BYTES = 128;
const QUOTE = 0x22;

/** The message `get-block` for the block of the main chain at `height`, which is not 0. */
export function getBlockByHeight(height: number): PeerMessage {
  return { type: 'get-block', height, hash: ZERO_HASH };
}

/** The message `get-block` for the block of this hash. */
export function getBlockByHash(hash: Uint8Array): PeerMessage {
  return { type: 'get-block', height: 0, hash };
}

/** The bytes of a message. A hash of another length than 32 is a `RangeError`. */
export function encodeMessage(message: PeerMessage): Uint8Array {
  const out = new WireWriter(sizeHint(message));
  out.byte(KIND[message.type]);
  switch (message.type) {
    case 'status-request':
    case 'filter-clear':
      break;
    case 'get-block':
    case 'get-merkle-block':
      out.height(message.height);
      out.hash(message.hash);
      break;
    case 'block':
    case 'new-block':
      out.ascii(hexOf(message.block));
      break;
    case 'transaction':
      out.ascii(hexOf(message.transaction));
      break;
    case 'get-headers':
    case 'get-blocks':
      out.list(message.locator, (hash) => out.hash(hash));
      out.hash(message.stop);
      break;
    case 'headers':
      out.list(message.headers, (header) => out.ascii(`"${hexOf(header)}"`));
      break;
    case 'blocks':
      out.list(message.blocks, (block) => out.ascii(`"${hexOf(block)}"`));
      break;
    case 'status':
      out.height(message.height);
      out.hash(message.bestHash);
      out.hash(message.genesisHash);
      break;
    case 'filter-load':
      out.list(message.programs, (program) => out.slice(program));
      break;
    case 'filter-add':
      out.slice(message.program);
      break;
    case 'merkle-block':
      out.ascii(hexOf(message.header));
      out.list(message.transactionHashes, (hash) => out.hash(hash));
      out.list(message.transactions, (transaction) => out.ascii(hexOf(transaction)));
      out.list(message.statusHashes, (hash) => out.hash(hash));
      out.list(message.statuses, (status) => out.slice(status));
      out.slice(message.flags);
      break;
  }
  return out.done();
}

/** Reads a whole message. Throws a `WireError`, and nothing else, for bytes that are none. */
export function decodeMessage(bytes: Uint8Array): PeerMessage {
  if (bytes.length > MAX_MESSAGE_BYTES) {
    const expected = `at most ${MAX_MESSAGE_BYTES} bytes`;
    throw new WireError('too-large', 'message', expected, String(bytes.length));
  }
  const reader = new WireReader(bytes);
  const kind = reader.byte('message type');
  const type = TYPES.get(kind);
  if (type === undefined) {
    throw new WireError('unknown-kind', 'message type', 'a known one', `0x${kind.toString(16)}`);
  }
  const message = decodeFields(type, reader);
  reader.end(type);
  return message;
}

function decodeFields(type: PeerMessage['type'], reader: WireReader): PeerMessage {
  switch (type) {
    case 'status-request':
    case 'filter-clear':
      return { type };
    case 'get-block':
    case 'get-merkle-block':
      return { type, height: reader.height('height'), hash: reader.hash('hash') };
    case 'block':
    case 'new-block':
      return { type, block: hexText(reader, 'block') };
    case 'transaction':
      return { type, transaction: hexText(reader, 'transaction') };
    case 'get-headers':
    case 'get-blocks':
      return {
        type,
        locator: reader.list('locator', MAX_LOCATOR, 32, () => reader.hash('locator')),
        stop: reader.hash('stop'),
      };
    case 'headers':
      return {
        type,
        headers: reader.list('headers', MAX_HEADERS, 3, () => quotedHex(reader, 'header')),
      };
    case 'blocks':
      return {
        type,
        blocks: reader.list('blocks', MAX_BLOCKS, 3, () => quotedHex(reader, 'block')),
      };
    case 'status':
      return {
        type,
        height: reader.height('height'),
        bestHash: reader.hash('best hash'),
        genesisHash: reader.hash('genesis hash'),
      };
    case 'filter-load':
      return {
        type,
        programs: reader.list('programs', MAX_FILTER_PROGRAMS, 1, () => program(reader)),
      };
    case 'filter-add':
      return { type, program: program(reader) };
    case 'merkle-block':
      return decodeMerkleBlock(reader);
  }
}

function decodeMerkleBlock(reader: WireReader): PeerMessage {
  const max = MAX_MERKLE_ENTRIES;
  return {
    type: 'merkle-block',
    header: hexText(reader, 'header'),
    transactionHashes: reader.list('transaction hashes', max, 32, () =>
      reader.hash('transaction hash'),
    ),
    transactions: reader.list('transactions', max, 1, () => hexText(reader, 'transaction')),
    statusHashes: reader.list('status hashes', max, 32, () => reader.hash('status hash')),
    statuses: reader.list('statuses', max, 1, () =>
      reader.slice('status', MAX_MESSAGE_BYTES).slice(),
    ),
    flags: reader.slice('flags', max).slice(),
  };
}

function program(reader: WireReader): Uint8Array {
  return reader.slice('program', MAX_FILTER_PROGRAM_BYTES).slice();
}

/** A byte slice that holds hex text, as the bytes it stands for. */
function hexText(reader: WireReader, field: string): Uint8Array {
  return bytesOfHex(reader.slice(field, MAX_MESSAGE_BYTES), field);
}

/** The same inside double quotes. */
function quotedHex(reader: WireReader, field: string): Uint8Array {
  const text = reader.slice(field, MAX_MESSAGE_BYTES);
  if (text.length < 2 || text[0] !== QUOTE || text[text.length - 1] !== QUOTE) {
    throw new WireError('bad-value', field, 'hex text in quotes', `${text.length} bytes without`);
  }
  return bytesOfHex(text.subarray(1, -1), field);
}

function bytesOfHex(text: Uint8Array, field: string): Uint8Array {
  const bytes = new Uint8Array(text.length >> 1);
  // Ends at the first character that is no hex digit.
  const written = bufferOf(bytes).write(bufferOf(text).toString('latin1'), 'hex');
  if (2 * written !== text.length) {
    const got = text.length % 2 === 1 ? `${text.length} digits` : `other bytes at ${2 * written}`;
    throw new WireError('bad-value', field, 'hex digits in pairs', got);
  }
  return bytes;
}

function hexOf(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('hex');
}

/** About how many bytes it will be: exact enough that large messages are put together in place. */
function sizeHint(message: PeerMessage): number {
  switch (message.type) {
    case 'block':
    case 'new-block':
      return SMALL_BYTES + 2 * message.block.length;
    case 'transaction':
      return SMALL_BYTES + 2 * message.transaction.length;
    case 'headers':
      return SMALL_BYTES + hexListSize(message.headers);
    case 'blocks':
      return SMALL_BYTES + hexListSize(message.blocks);
    case 'get-headers':
    case 'get-blocks':
      return SMALL_BYTES + 32 * message.locator.length;
    default:
      return SMALL_BYTES;
  }
}

function hexListSize(items: readonly Uint8Array[]): number {
  return items.reduce((sum, item) => sum + 2 * item.length + 12, 0);
}
