/** Opcodes that hash and check signatures. Bytom 1.x consensus: "BVM". */
import { hash } from 'node:crypto';
import { ripemd160 } from '@noble/hashes/legacy.js';
import { verifySignature } from '../keys/ed25519.ts';
import { sha3 } from '../util/sha3.ts';
import { fail, type Machine, type Operation, type Operations } from './machine.ts';
import { MAX_INT64 } from './value.ts';

const SIGNATURE_COST = 1024;
const KEY_BYTES = 32;
const MESSAGE_BYTES = 32;
/** In bytes copied: at their slowest, a signature, a hash, and a byte of what is hashed. */
const SIGNATURE_WORK = 400_000;
const HASH_WORK = 4000;
const HASHED_BYTE_WORK = 24;

export const CRYPTO_OPS: Operations = {
  SHA256: hashTop(sha256, (length) => Math.max(64, length)),
  SHA3: hashTop(sha3, (length) => Math.max(64, length)),
  // Despite the name no SHA-256 first, as it is elsewhere.
  HASH160: hashTop(ripemd160, (length) => 64 + length),
  CHECKSIG: (machine) => {
    machine.charge(SIGNATURE_COST);
    const key = machine.pop();
    const message = machine.pop();
    const signature = machine.pop();
    if (message.length !== MESSAGE_BYTES) fail('bad value');
    machine.pushBool(key.length === KEY_BYTES && isSigned(machine, key, message, signature));
  },
  CHECKMULTISIG: (machine) => machine.pushBool(checkSignatures(machine)),
  TXSIGHASH: (machine) => {
    machine.charge(256);
    machine.meter.useWork(HASH_WORK);
    machine.pushNow(machine.context.signatureHash());
  },
};

function hashTop(
  digest: (data: Uint8Array) => Uint8Array,
  cost: (length: number) => number,
): Operation {
  return (machine) => {
    const data = machine.popNow();
    machine.charge(cost(data.length));
    machine.meter.useWork(HASH_WORK + HASHED_BYTE_WORK * data.length);
    machine.pushNow(digest(data));
  };
}

function sha256(data: Uint8Array): Uint8Array {
  const digest = hash('sha256', data, 'buffer');
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.byteLength);
}

/**
 * sig_1 … sig_M message key_1 … key_N M N: true if every signature is by a key of its own and they
 * stand in the order of their keys.
 */
function checkSignatures(machine: Machine): boolean {
  const keyCount = machine.popInt();
  if (keyCount < 0n || keyCount * BigInt(SIGNATURE_COST) > MAX_INT64) fail('bad value');
  machine.charge(Number(keyCount) * SIGNATURE_COST);
  const signatureCount = machine.popInt();
  if (signatureCount < 0n || signatureCount > keyCount) fail('bad value');
  if (keyCount > 0n && signatureCount === 0n) fail('bad value');

  const keys = popMany(machine, Number(keyCount));
  const message = machine.pop();
  if (message.length !== MESSAGE_BYTES) fail('bad value');
  const signatures = popMany(machine, Number(signatureCount));

  if (keys.some((key) => key.length !== KEY_BYTES)) return false;
  let checked = 0;
  for (const key of keys) {
    const signature = signatures[checked];
    if (signature === undefined) break;
    if (isSigned(machine, key, message, signature)) checked++;
  }
  return checked === signatures.length;
}

function isSigned(
  machine: Machine,
  key: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  machine.meter.useWork(SIGNATURE_WORK);
  return verifySignature(key, message, signature);
}

/** The top first. */
function popMany(machine: Machine, count: number): Uint8Array[] {
  const items: Uint8Array[] = [];
  for (let i = 0; i < count; i++) items.push(machine.pop());
  return items;
}
