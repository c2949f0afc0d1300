/** What is said while a device gets its kernel: it takes seconds, once, and nobody should wonder. */
import type { TuningEvent } from '../../drivers/kernel-choice.ts';
import type { Logger } from '../util/log.ts';
import { rounded } from './output.ts';

/** As lines of a log. */
export function logTuning(log: Logger): (event: TuningEvent) => void {
  return (event) => {
    const own = log.tagged(event.id);
    switch (event.kind) {
      case 'begun':
        own.info('tuning', { name: event.name }, begunText(event));
        break;
      case 'report': {
        const { kernel, outcome, msPerHash, reason } = event.report;
        const ms = msPerHash === undefined ? undefined : rounded(msPerHash, 4);
        own.debug('kernel', { kernel, outcome, msPerHash: ms, reason });
        break;
      }
      case 'crashed':
        own.warn('kernel crashed', { kernel: event.kernel, reason: event.reason });
        break;
      case 'chosen': {
        const hashesPerSecond = rounded(1000 / event.msPerHash, 2);
        own.info('kernel chosen', { kernel: event.kernel, hashesPerSecond });
        break;
      }
      case 'not-remembered':
        own.debug('kernel not remembered', { reason: event.reason });
        break;
    }
  };
}

/** As notes on standard error, of a program that has no log. */
export function noteTuning(
  program: string,
  stream: { write(text: string): unknown } = process.stderr,
): (event: TuningEvent) => void {
  const note = (text: string): void => {
    stream.write(`${program}: ${text}\n`);
  };
  return (event) => {
    switch (event.kind) {
      case 'begun':
        note(`${event.id}: ${begunText(event)}`);
        break;
      case 'crashed':
        note(`${event.id}: kernel ${event.kernel} crashed, ${event.reason}`);
        break;
      case 'report':
      case 'chosen':
      case 'not-remembered':
        break;
    }
  };
}

function begunText({ name }: Extract<TuningEvent, { kind: 'begun' }>): string {
  return `tuning for ${name}, which takes some seconds, this time only …`;
}
