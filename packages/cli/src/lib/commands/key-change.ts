import type { LoggedKeyChange } from "@lading/engine/package";

/** What people are told of a statement that was logged. */
export function describeChange(done: LoggedKeyChange): readonly string[] {
  const { change, key, previous = "", account, registry, entry, effective, fromIndex } = done;
  const logged = `Entry ${entry} of the log of ${registry}`;
  switch (change) {
    case "rotate":
      return [`${key} signs for ${account} now, in place of ${previous}`, logged];
    case "recover":
      return [
        `${key} is to sign for ${account} in place of ${previous}`,
        `It takes effect on ${effective ?? "an unknown day"}, unless somebody with the old key revokes it`,
        logged,
      ];
    case "revoke":
      return [`${key} is not trusted for anything from entry ${fromIndex ?? entry} on`, logged];
  }
}
