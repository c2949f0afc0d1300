/** A template and its nonce as a block. */
import { describe, expect, it } from 'vitest';
import { solvedBlock, solvedRawBlock } from '../../../pool/blocks/solved-block.ts';
import { BLOCK_FLAG, encodeHeader, headerHash } from '../../../src/chain/header.ts';
import { concatBytes } from '../../../src/util/bytes.ts';
import { RecordingLog } from '../../support/recording-log.ts';
import { hash32, headerAt, templateOf } from '../nodes/scripted-node.ts';

describe('solvedBlock', () => {
  const log = (): RecordingLog => new RecordingLog('pool');
  const header = headerAt(7, { nonce: 1n << 40n });
  const hash = headerHash(header);
  const template = templateOf('a', 7);
  const tail = Uint8Array.of(1, 2, 3);
  const whole = concatBytes(encodeHeader(template.header, BLOCK_FLAG), tail);

  it('puts the nonce into the bytes, however long it is', () => {
    const rawBlock = concatBytes(encodeHeader(header, BLOCK_FLAG), tail);
    const block = solvedBlock({ ...template, rawBlock: whole }, header, hash, log());
    expect(block).toEqual({ header, hash, node: 'a', rawBlock });
    expect(solvedBlock(template, header, hash, log())).toEqual({ header, hash, node: 'a' });
  });

  it('is the header alone where the bytes are not its own, or cannot be had', () => {
    const other = headerAt(7, { transactionsMerkleRoot: hash32('other') });
    expect(solvedRawBlock(whole, other)).toBeUndefined();
    expect(solvedRawBlock(encodeHeader(header), header)).toBeUndefined();
    const wrong = log();
    const given = { ...template, rawBlock: Uint8Array.of(3, 1) };
    expect(solvedBlock(given, header, hash, wrong)).toEqual({ header, hash, node: 'a' });
    expect(wrong.of('whole block does not fit its header')).toHaveLength(1);
    const broken = {
      ...template,
      get rawBlock(): Uint8Array {
        throw new Error('no memory');
      },
    };
    expect(solvedBlock(broken, header, hash, wrong)).toEqual({ header, hash, node: 'a' });
    expect(wrong.of('no whole block')).toHaveLength(1);
  });
});
