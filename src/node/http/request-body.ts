/**
 * Reads the body of a request, whatever its content type, and no more of it than the call may take.
 * The memory that bodies and answers take together is bounded, since whoever may call can do so on
 * many connections at once.
 */
import type { IncomingMessage } from 'node:http';
import type { ByteBudget } from '../../util/byte-budget.ts';
import { badBody, busy, type RequestError } from './envelope.ts';
import { type JsonNode, JsonTextError, parseFirstJson } from './first-json.ts';

/**
 * What a piece of a body takes beside its bytes: one that is sent byte by byte would else take some
 * hundred times what it is counted as.
 */
const PIECE_BYTES = 512;

/**
 * The whole body. Rejects `RequestError` if it is longer than `maxBytes`, if the budget is used up,
 * or if the client breaks off. What it took of the budget is given back when it settles.
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  budget: ByteBudget,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > maxBytes) throw tooLong(maxBytes);
    const chunks: Buffer[] = [];
    let length = 0;
    let taken = 0;
    const settle = (result: Buffer | RequestError): void => {
      request.off('data', onData).off('end', onEnd).off('close', onClose);
      budget.give(taken);
      if (Buffer.isBuffer(result)) resolve(result);
      else reject(result);
    };
    const onData = (chunk: Buffer): void => {
      if (length + chunk.length > maxBytes) settle(tooLong(maxBytes));
      else if (!budget.take(chunk.length + PIECE_BYTES)) settle(busy());
      else {
        taken += chunk.length + PIECE_BYTES;
        length += chunk.length;
        chunks.push(chunk);
      }
    };
    const onEnd = (): void => settle(Buffer.concat(chunks, length));
    const onClose = (): void => settle(badBody('unexpected EOF'));
    request.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

/**
 * Lets what is left of a body pass by, so that the connection can be used again. Who sends more than
 * `maxBytes` of it is cut off.
 */
export function discardBody(request: IncomingMessage, maxBytes: number): void {
  if (request.complete || request.destroyed) return;
  let left = maxBytes;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.socket.destroy();
  });
  request.resume();
}

/** The first JSON value of a body. Throws `RequestError`. */
export function parseBody(body: Buffer): JsonNode {
  try {
    return parseFirstJson(body.toString('utf8'));
  } catch (error) {
    if (error instanceof JsonTextError) throw badBody(error.message);
    throw error;
  }
}

function tooLong(maxBytes: number): RequestError {
  return badBody(`http: request body too large, more than ${maxBytes} bytes`, 413);
}
