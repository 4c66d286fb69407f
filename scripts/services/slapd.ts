import { access, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "ldapts";
import { freePort, freshDirectory, missing, run, startService, until } from "./processes.ts";

const SLAPD = "/usr/sbin/slapd";
const SCHEMAS = "/etc/ldap/schema";

/** The suffix of the directory, and the account that may do everything. */
export const SUFFIX = "dc=company,dc=test";
export const MANAGER = `cn=manager,${SUFFIX}`;
export const MANAGER_PASSWORD = "manager-of-the-test";

/** An LDAP server of its own on the loopback interface. */
export interface LdapServer {
  readonly url: string;
  /** PEM file of its certificate; it offers StartTLS where there is one. */
  readonly certificate: string | undefined;
  /** Adds an entry. */
  add(dn: string, attributes: Readonly<Record<string, string | string[]>>): Promise<void>;
  remove(dn: string): Promise<void>;
  rename(dn: string, newDn: string): Promise<void>;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

async function certificate(directory: string): Promise<string> {
  const [key, pem] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"];
  await run("openssl", [...request, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", pem]);
  return pem;
}

function configuration(directory: string, options: { tls: boolean; anonymous: boolean }): string {
  return [
    ...["core", "cosine", "inetorgperson"].map((name) => `include ${SCHEMAS}/${name}.schema`),
    `pidfile ${directory}/slapd.pid`,
    "modulepath /usr/lib/ldap",
    "moduleload back_mdb",
    "moduleload memberof",
    ...(options.tls ? [`TLSCertificateFile ${directory}/cert.pem`, `TLSCertificateKeyFile ${directory}/key.pem`] : []),
    ...(options.anonymous ? [] : ["disallow bind_anon"]),
    "access to attrs=userPassword by anonymous auth by * none",
    options.anonymous ? "access to * by * read" : 'access to dn.base="" by * read\naccess to * by users read',
    "database mdb",
    "maxsize 10485760",
    `suffix "${SUFFIX}"`,
    `rootdn "${MANAGER}"`,
    `rootpw ${MANAGER_PASSWORD}`,
    `directory ${directory}/data`,
    "",
  ].join("\n");
}

/** Starts slapd with an empty directory below {@link SUFFIX}. */
export async function startSlapd(
  options: { readonly tls?: boolean; readonly anonymous?: boolean } = {},
): Promise<LdapServer> {
  const { tls = false, anonymous = true } = options;
  await access(SLAPD).catch(() => {
    throw missing(SLAPD);
  });
  const directory = await freshDirectory("slapd");
  await run("mkdir", [join(directory.path, "data")]);
  const pem = tls ? await certificate(directory.path) : undefined;
  await writeFile(join(directory.path, "slapd.conf"), configuration(directory.path, { tls, anonymous }));
  const url = `ldap://127.0.0.1:${await freePort()}`;
  const service = await startService(SLAPD, ["-d", "0", "-h", url, "-f", join(directory.path, "slapd.conf")]);
  const managed = async <Result>(work: (client: Client) => Promise<Result>): Promise<Result> => {
    const client = new Client({ url });
    try {
      await client.bind(MANAGER, MANAGER_PASSWORD);
      return await work(client);
    } finally {
      await client.unbind();
    }
  };
  await until("slapd", () => managed(async () => {}), { service });
  const server: LdapServer = {
    url,
    certificate: pem,
    add: (dn, attributes) => managed((client) => client.add(dn, { ...attributes })),
    remove: (dn) => managed((client) => client.del(dn)),
    rename: (dn, newDn) => managed((client) => client.modifyDN(dn, newDn)),
    kill: () => service.kill(),
    stop: async () => {
      await service.stop();
      await directory.remove();
    },
  };
  await server.add(SUFFIX, { objectClass: ["dcObject", "organization"], dc: "company", o: "Company" });
  return server;
}

/** Adds a person, whose `uid` names them. */
export async function addPerson(
  server: LdapServer,
  person: { readonly uid: string; readonly password: string; readonly mail?: string; readonly unit?: string },
): Promise<string> {
  const below = person.unit === undefined ? SUFFIX : `ou=${person.unit},${SUFFIX}`;
  const dn = `uid=${person.uid},${below}`;
  await server.add(dn, {
    objectClass: "inetOrgPerson",
    uid: person.uid,
    cn: person.uid,
    sn: person.uid,
    userPassword: person.password,
    ...(person.mail === undefined ? {} : { mail: person.mail }),
  });
  return dn;
}

/** Adds a group of people. */
export async function addGroup(server: LdapServer, name: string, members: readonly string[]): Promise<void> {
  await server.add(`cn=${name},${SUFFIX}`, { objectClass: "groupOfNames", cn: name, member: [...members] });
}
