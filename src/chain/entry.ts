/**
 * Entry ids: how Bytom names block headers, transactions and their parts.
 * id = sha3("entryid:" ‖ type ‖ ":" ‖ sha3(body)), the texts in ASCII without a terminator.
 */
import { sha3 } from '../util/sha3.ts';

export type EntryType =
  | 'blockheader'
  | 'txheader'
  | 'mux1'
  | 'output1'
  | 'retirement1'
  | 'spend1'
  | 'issuance1'
  | 'coinbase1';

/** The 32-byte id of an entry with the serialised `body`. */
export function entryId(type: EntryType, body: Uint8Array): Uint8Array {
  return createEntryHasher(type)(body);
}

/** `entryId` for one type, with its text prepared once: for callers that hash per nonce. */
export function createEntryHasher(type: EntryType): (body: Uint8Array) => Uint8Array {
  const prefix = new TextEncoder().encode(`entryid:${type}:`);
  const message = new Uint8Array(prefix.length + 32);
  message.set(prefix);
  return (body) => {
    message.set(sha3(body), prefix.length);
    return sha3(message);
  };
}
