/** The options of `bytom-node keys` and its commands. */
import { type Command, Option } from 'commander';
import { ALIAS_FORM, isAlias } from '../keys/keyfile-format.ts';
import { InputError } from '../util/errors.ts';
import { addDataOptions, type DataOptions } from './chain-options.ts';
import { jsonOption, ownOptions, subcommand } from './common-options.ts';
import { KEYS_FOOTER } from './keys-help.ts';
import { oneOf, optionError, wholeNumber } from './option-values.ts';
import type { PasswordOptions } from './password.ts';

export interface KeyFileOptions extends DataOptions, PasswordOptions {
  /** The key file; one in the data directory by default. */
  readonly key?: string;
}

export interface NewKeyOptions extends KeyFileOptions {
  readonly words?: '12' | '24';
  readonly alias?: string;
  readonly restore?: boolean;
  readonly showMnemonic?: boolean;
}

export interface ShowKeyOptions extends KeyFileOptions {
  readonly check?: boolean;
  readonly showMnemonic?: boolean;
}

export interface KeyAddressOptions extends KeyFileOptions {
  readonly account: number;
  readonly index: number;
  readonly change?: boolean;
  readonly check?: boolean;
}

export interface KeysActions {
  newKey(options: NewKeyOptions): Promise<void>;
  showKey(options: ShowKeyOptions): Promise<void>;
  keyAddress(options: KeyAddressOptions): Promise<void>;
}

const MAX_U32 = 0xffff_ffff;

export function addKeysCommand(program: Command, actions: KeysActions): void {
  const keys = subcommand(program, 'keys')
    .description('make and read the key that mining pays to')
    // So that the message below can name what there is.
    .allowExcessArguments();
  keys.action(() => {
    const names = keys.commands.map((command) => command.name()).join(', ');
    const [unknown] = keys.args;
    throw optionError(
      unknown === undefined
        ? `say what to do with keys: ${names} (see keys --help)`
        : `unknown command 'keys ${unknown}' (there are: ${names})`,
    );
  });
  keys.addHelpText('after', KEYS_FOOTER);
  keys.helpCommand(false);
  addNewCommand(keys, actions);
  addShowCommand(keys, actions);
  addAddressCommand(keys, actions);
}

function addNewCommand(keys: Command, actions: KeysActions): void {
  const command = subcommand(keys, 'new').description('make a key, or restore one from its phrase');
  addKeyOptions(command);
  command
    .addOption(
      new Option('--words <n>', 'words of the recovery phrase: 12 or 24 (default: 12)').argParser(
        oneOf('words', ['12', '24'] as const),
      ),
    )
    .addOption(
      new Option('--alias <name>', 'a name for people, kept in the file in plain text').argParser(
        aliasText,
      ),
    )
    .addOption(
      new Option(
        '--restore',
        'take the recovery phrase from the terminal, or from standard input',
      ).conflicts('words'),
    );
  addOutputOptions(command);
  command.action((_: unknown, self: Command) => actions.newKey(ownOptions(self)));
}

function addShowCommand(keys: Command, actions: KeysActions): void {
  const command = subcommand(keys, 'show').description('tell what a key file holds');
  addKeyOptions(command);
  command.addOption(checkOption());
  addOutputOptions(command);
  command.action((_: unknown, self: Command) => actions.showKey(ownOptions(self)));
}

function addAddressCommand(keys: Command, actions: KeysActions): void {
  const command = subcommand(keys, 'address').description(
    'print an address of the key, for --mining-address; needs no password',
  );
  addKeyOptions(command);
  command
    .addOption(
      new Option('--account <n>', 'which account of the key')
        .argParser(wholeNumber('account', 1, MAX_U32))
        .default(1),
    )
    .addOption(
      new Option('--index <n>', 'which address of the account')
        .argParser(wholeNumber('index', 1, MAX_U32))
        .default(1),
    )
    .addOption(new Option('--change', 'of those that a wallet uses for change'))
    .addOption(checkOption());
  command.optionsGroup('Output:');
  command.addOption(jsonOption());
  command.action((_: unknown, self: Command) => actions.keyAddress(ownOptions(self)));
}

function addKeyOptions(command: Command): void {
  addDataOptions(command);
  command.optionsGroup('Key:');
  command
    .addOption(
      new Option('--key <file>', 'the key file (default: keys/mining.json in the data folder)'),
    )
    .addOption(
      new Option(
        '--password-file <file>',
        'the password is the first line of a file, or of a pipe',
      ),
    );
}

function addOutputOptions(command: Command): void {
  command.optionsGroup('Output:');
  command
    .addOption(jsonOption())
    .addOption(
      new Option(
        '--show-mnemonic',
        'print the recovery phrase, too: whoever sees it has the coins',
      ),
    );
}

function checkOption(): Option {
  return new Option('--check', 'ask for the password, and prove with it that the file is right');
}

function aliasText(text: string): string {
  if (isAlias(text)) return text;
  throw new InputError('alias', ALIAS_FORM, `"${text}"`);
}
