import type { PeopleDirectory } from "@lading/registry-server";
import { LDAP_DEFAULTS, createLdapDirectory, type LdapOptions } from "@lading/registry-server/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MANAGER, MANAGER_PASSWORD, SUFFIX, addGroup, addPerson, startSlapd, type LdapServer } from "./slapd.ts";

let server: LdapServer;

beforeAll(async () => {
  server = await startSlapd({ tls: true });
  await server.add(`ou=guests,${SUFFIX}`, { objectClass: "organizationalUnit", ou: "guests" });
  const ann = await addPerson(server, { uid: "ann", password: "correct horse", mail: "ann@company.test" });
  const bob = await addPerson(server, { uid: "Bob.Builder", password: "can we fix it" });
  await addPerson(server, { uid: "twin", password: "one" });
  await addPerson(server, { uid: "twin", password: "two", unit: "guests" });
  await addGroup(server, "employees", [ann, bob]);
  await addGroup(server, "package-maintainers", [ann]);
});

afterAll(() => server.stop());

function directory(change: Partial<LdapOptions> = {}): Promise<PeopleDirectory> {
  const ca = server.certificate === undefined ? {} : { caFile: server.certificate };
  return createLdapDirectory({ ...LDAP_DEFAULTS, url: server.url, ...ca, ...change });
}

describe("createLdapDirectory()", () => {
  test("[AUT-07] authenticate() finds the person, with e-mail and groups, given nothing but the address", async () => {
    await expect((await directory()).authenticate("ann", "correct horse")).resolves.toEqual({
      origin: "ldap",
      subject: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      username: "ann",
      email: "ann@company.test",
      groups: ["employees", "package-maintainers"],
      admin: false,
    });
  });

  test("authenticate() makes members of the admin groups admins", async () => {
    const asked = await directory({ adminGroups: ["package-maintainers"] });
    await expect(asked.authenticate("ann", "correct horse")).resolves.toMatchObject({ admin: true });
    await expect(asked.authenticate("bob.builder", "can we fix it")).resolves.toMatchObject({
      admin: false,
      username: "bob.builder",
      groups: ["employees"],
    });
  });

  test("authenticate() refuses a wrong password, an unknown name and an empty password alike", async () => {
    await expect((await directory()).authenticate("ann", "wrong")).resolves.toBeUndefined();
    await expect((await directory()).authenticate("nobody", "correct horse")).resolves.toBeUndefined();
    // An unauthenticated bind (RFC 4513 §5.1.2) succeeds on many servers.
    await expect((await directory()).authenticate("ann", "")).resolves.toBeUndefined();
    await expect((await directory()).authenticate("", "")).resolves.toBeUndefined();
  });

  test.each(["*", "ann)(uid=*", "ann*", "\\61nn", "*)(|(uid=*", "ann\0"])(
    "authenticate() takes the name %j as a name, not as a filter",
    async (name) => {
      await expect((await directory()).authenticate(name, "correct horse")).resolves.toBeUndefined();
    },
  );

  test("authenticate() refuses a name that two people have", async () => {
    await expect((await directory()).authenticate("twin", "one")).rejects.toMatchObject({ code: "DIRECTORY_REFUSED" });
    const guests = await directory({ baseDn: `ou=guests,${SUFFIX}` });
    await expect(guests.authenticate("twin", "two")).resolves.toMatchObject({ username: "twin" });
  });

  test("a person keeps the subject under a new name", async () => {
    const dn = await addPerson(server, { uid: "maiden", password: "old and new" });
    const before = await (await directory()).authenticate("maiden", "old and new");
    await server.rename(dn, `uid=married,${SUFFIX}`);
    const after = await (await directory()).authenticate("married", "old and new");
    expect(after).toMatchObject({ username: "married", subject: before!.subject });
  });

  test("a certificate that nobody vouches for is refused, and no password travels", async () => {
    const { caFile: _, ...rest } = { ...LDAP_DEFAULTS, url: server.url, caFile: "" };
    const asked = (await createLdapDirectory(rest)).authenticate("ann", "correct horse");
    await expect(asked).rejects.toMatchObject({ code: "DIRECTORY_UNAVAILABLE" });
  });

  test("a directory that lets only its own search is asked as the account of the configuration", async () => {
    const closed = await startSlapd({ anonymous: false });
    try {
      await addPerson(closed, { uid: "ann", password: "correct horse" });
      const options = { ...LDAP_DEFAULTS, url: closed.url, bindDn: MANAGER };
      const known = await createLdapDirectory({ ...options, bindPassword: MANAGER_PASSWORD });
      await expect(known.authenticate("ann", "correct horse")).resolves.toMatchObject({ username: "ann" });
      const wrong = await createLdapDirectory({ ...options, bindPassword: "guess" });
      await expect(wrong.authenticate("ann", "correct horse")).rejects.toMatchObject({ code: "DIRECTORY_REFUSED" });
      const required = await createLdapDirectory({ ...options, bindPassword: MANAGER_PASSWORD, startTls: "required" });
      await expect(required.authenticate("ann", "correct horse")).rejects.toMatchObject({
        code: "DIRECTORY_UNAVAILABLE",
      });
    } finally {
      await closed.stop();
    }
  });

  test("a directory that is gone is said to be, not a wrong password", async () => {
    const gone = await startSlapd();
    await gone.kill();
    const asked = (await createLdapDirectory({ ...LDAP_DEFAULTS, url: gone.url })).authenticate("ann", "correct horse");
    await expect(asked).rejects.toMatchObject({ code: "DIRECTORY_UNAVAILABLE" });
    await gone.stop();
  });
});
