/** How the directory is asked. */
export interface LdapOptions {
  /** `ldap://host:port` or `ldaps://host:port`. */
  readonly url: string;
  /** Whether a plain connection is encrypted before a password travels. `auto`: where the server offers it. */
  readonly startTls: "auto" | "required" | "off";
  /** PEM file of the authority that signed the server's certificate; the system's unless given. */
  readonly caFile?: string;
  /** Account that searches for people; anonymous unless given. */
  readonly bindDn?: string;
  readonly bindPassword?: string;
  /** Where people are; the server's first naming context unless given. */
  readonly baseDn?: string;
  /** `{username}` stands for the escaped name. */
  readonly userFilter: string;
  /** Attribute that is the user name. */
  readonly usernameAttribute: string;
  /** Where groups are; {@link LdapOptions.baseDn} unless given. */
  readonly groupBaseDn?: string;
  /** `{dn}` and `{username}` stand for the person's escaped values. */
  readonly groupFilter: string;
  /** Attribute that names a group. */
  readonly groupAttribute: string;
  /** Members of any of these groups are admins of the registry. */
  readonly adminGroups: readonly string[];
  /** How long the directory may take to answer, in milliseconds. */
  readonly timeoutMs: number;
}

/** What is asked unless the operator says otherwise: POSIX and organisational people, groups of every common form. */
export const LDAP_DEFAULTS: Pick<
  LdapOptions,
  "startTls" | "userFilter" | "usernameAttribute" | "groupFilter" | "groupAttribute" | "adminGroups" | "timeoutMs"
> = {
  startTls: "auto",
  userFilter: "(&(|(objectClass=person)(objectClass=account))(uid={username}))",
  usernameAttribute: "uid",
  groupFilter: "(|(member={dn})(uniqueMember={dn})(memberUid={username}))",
  groupAttribute: "cn",
  adminGroups: [],
  timeoutMs: 5000,
};
