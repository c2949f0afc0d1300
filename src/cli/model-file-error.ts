import { CodedError } from '../util/errors.ts';

/** A file of an exported network that cannot be written. */
export class ModelFileError extends CodedError<{
  readonly code: 'exists' | 'unwritable';
  readonly file: string;
}> {
  static exists(file: string): ModelFileError {
    const detail = { code: 'exists', file } as const;
    return new ModelFileError(`${file}: is there already; --force replaces it`, detail);
  }
}
