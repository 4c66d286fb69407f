/** A person as a directory or an identity provider describes them. */
export interface ExternalUser {
  /** Where the person is known: `ldap`, or `oidc:` and the issuer. */
  readonly origin: string;
  /** What stays with the person when names change: `entryUUID`, `objectGUID`, `sub`. */
  readonly subject: string;
  /** In the form of our user names. */
  readonly username: string;
  readonly email?: string;
  /** Names of groups, sorted. */
  readonly groups: readonly string[];
  readonly admin: boolean;
}

/** Where people and their passwords are kept outside of the registry. */
export interface PeopleDirectory {
  /**
   * The person, or `undefined` where name and password do not match; never says which of the two is wrong.
   * @throws {RegistryError} `DIRECTORY_UNAVAILABLE`, `DIRECTORY_REFUSED`
   */
  authenticate(username: string, password: string): Promise<ExternalUser | undefined>;
}

/** The form of user names: letters of ASCII in lower case, digits and `. _ @ -` between them. */
export const USERNAME: RegExp = /^[a-z0-9](?:[a-z0-9._@-]{0,62}[a-z0-9])?$/;

/** The user name that a foreign name gives, or `undefined` where it gives none. */
export function usernameOf(text: string): string | undefined {
  const folded = text.trim().toLowerCase();
  return USERNAME.test(folded) ? folded : undefined;
}
