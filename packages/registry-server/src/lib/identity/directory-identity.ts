import { LocalIdentityProvider, type PasswordVerifier } from "../authentication.ts";
import type { Clock, IdentityProvider, MetadataStore } from "../ports.ts";
import type { Account } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { randomId } from "../token.ts";
import type { ExternalUser, PeopleDirectory } from "./external-user.ts";

/** The account of a person who is known elsewhere, made at first sight. */
export async function accountOf(
  user: ExternalUser,
  { metadata, clock }: { readonly metadata: Pick<MetadataStore, "identities">; readonly clock: Clock },
): Promise<Account> {
  const details = { username: user.username, origin: user.origin, groups: user.groups, admin: user.admin };
  const audit = { at: clock.now(), actor: user.username, action: "account.create", details };
  const account = await metadata.identities.externalAccount(user, randomId(), audit);
  if (account !== "name-taken") return account;
  throw new RegistryError({
    code: "USER_EXISTS",
    message: `Cannot log in as "${user.username}" of "${user.origin}": another account of this registry has the name`,
    hint: "Ask the operator to remove or rename the other one; a name is never handed on by itself",
  });
}

/**
 * People of a directory, with an account each from their first login on. An account that has a password here is opened by
 * that password alone, so that operators come in while the directory is away.
 */
export class DirectoryIdentityProvider implements IdentityProvider {
  readonly #directory: PeopleDirectory;
  readonly #local: LocalIdentityProvider;
  readonly #metadata: MetadataStore;
  readonly #clock: Clock;

  constructor(options: {
    readonly directory: PeopleDirectory;
    readonly metadata: MetadataStore;
    readonly hasher: PasswordVerifier;
    readonly clock: Clock;
  }) {
    this.#directory = options.directory;
    this.#metadata = options.metadata;
    this.#clock = options.clock;
    this.#local = new LocalIdentityProvider(options.metadata, options.hasher);
  }

  async authenticate(username: string, password: string): Promise<Account | undefined> {
    const known = await this.#metadata.accountByName(username);
    if (known !== undefined && known.passwordHash !== "") return this.#local.authenticate(username, password);
    const user = await this.#directory.authenticate(username, password);
    return user && accountOf(user, { metadata: this.#metadata, clock: this.#clock });
  }
}
