/**
 * What happened to a block, as the log keeps it: version (1 byte), event (1 byte, its place in `EVENTS`
 * below), hash (32 bytes), time (varint63), then for `found` height, header, raw block, node, account
 * and worker, for all others the detail. Texts are UTF-8 and, like the two forms of the block, have
 * their length before them.
 */
import { ByteWriter } from '../../src/chain/byte-writer.ts';
import type { BlockEvent } from './records.ts';
import { readerOf, readText, wholeNumber, writeText } from './share-codec.ts';

const VERSION = 1;
/** The order is that of the files: new ones go to the end. */
const EVENTS = [
  'found',
  'accepted',
  'refused',
  'orphaned',
  'restored',
  'matured',
  'lost',
] as const satisfies readonly BlockEvent['event'][];

/** Throws `RangeError` for a number that is not whole or negative, or a hash that is not 32 bytes. */
export function encodeBlockEvent(event: BlockEvent): Uint8Array {
  const writer = new ByteWriter();
  writer.byte(VERSION);
  writer.byte(EVENTS.indexOf(event.event));
  writer.hash(event.hash, 'hash');
  writer.varint63(wholeNumber(event.timeMs, 'timeMs'), 'timeMs');
  if (event.event === 'found') {
    writer.varint63(wholeNumber(event.height, 'height'), 'height');
    writer.byteString(event.header, 'header');
    writer.byteString(event.rawBlock, 'rawBlock');
    writeText(writer, event.node, 'node');
    writeText(writer, event.account, 'account');
    writeText(writer, event.worker, 'worker');
  } else {
    writeText(writer, event.detail, 'detail');
  }
  return writer.finish();
}

/** Throws an `InputError` for anything that `encodeBlockEvent` does not make. */
export function decodeBlockEvent(bytes: Uint8Array): BlockEvent {
  const reader = readerOf(bytes, 'block', VERSION);
  const kind = reader.byte('event');
  const event = EVENTS[kind] ?? reader.refuse('event', 1, `less than ${EVENTS.length}`, `${kind}`);
  const hash = reader.bytes(32, 'hash');
  const timeMs = reader.safeInteger('timeMs');
  if (event !== 'found') {
    const detail = readText(reader, 'detail');
    reader.end('event');
    return { event, hash, timeMs, detail };
  }
  const height = reader.safeInteger('height');
  const header = reader.byteString('header').slice();
  const rawBlock = reader.byteString('rawBlock').slice();
  const node = readText(reader, 'node');
  const account = readText(reader, 'account');
  const worker = readText(reader, 'worker');
  reader.end('event');
  return { event, hash, timeMs, height, header, rawBlock, node, account, worker };
}
