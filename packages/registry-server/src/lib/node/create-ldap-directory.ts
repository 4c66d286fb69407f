import type { PeopleDirectory } from "../identity/external-user.ts";
import type { LdapOptions } from "./ldap-options.ts";

/** A directory that is asked by LDAP. The protocol's code is loaded here, for those servers that need it. */
export async function createLdapDirectory(options: LdapOptions): Promise<PeopleDirectory> {
  const { LdapDirectory } = await import("./ldap-directory.ts");
  return new LdapDirectory(options);
}
