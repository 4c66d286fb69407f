import type { Kysely, Transaction } from "kysely";
import type { AccountKeys } from "../ports.ts";
import { signersOf } from "../publication-rules.ts";
import type { KeyRecord, KeyStatementRecord, VersionRecord } from "../records.ts";
import { Prepared } from "./prepared.ts";
import { toKey, toKeyStatement } from "./sql-rows.ts";
import type { SqlEngine } from "./sql-engine.ts";
import type { Tables } from "./sql-schema.ts";

type Session = Kysely<Tables> | Transaction<Tables>;

const ANY_STATEMENT = new Prepared<object, { leaf: number }>((db) =>
  db.selectFrom("key_statements").select("leaf").limit(1),
);

/** A package that changes with a key. */
export interface PackageOfKeys {
  readonly id: number;
  readonly canonical: string;
}

export async function insertKey(session: Session, key: KeyRecord): Promise<void> {
  await session
    .insertInto("keys")
    .values({
      fingerprint: key.fingerprint,
      account_id: key.accountId,
      pem: key.pem,
      name: key.name ?? null,
      created: key.created,
      origin: key.origin ?? null,
    })
    .execute();
}

export async function isKnownKey(session: Session, fingerprint: string): Promise<boolean> {
  const row = await session
    .selectFrom("keys")
    .select("fingerprint")
    .where("fingerprint", "=", fingerprint)
    .executeTakeFirst();
  return row !== undefined;
}

export async function keysIn(session: Session, accountId: string): Promise<readonly KeyRecord[]> {
  const rows = await session
    .selectFrom("keys")
    .selectAll()
    .where("account_id", "=", accountId)
    .orderBy("created")
    .execute();
  return rows.map(toKey);
}

function statementRows(session: Session) {
  return session
    .selectFrom("key_statements")
    .innerJoin("accounts", "accounts.id", "key_statements.account_id")
    .selectAll("key_statements")
    .select("accounts.username")
    .orderBy("key_statements.leaf");
}

/** Statements about the keys of one account, or of all. */
export async function statementsIn(session: Session, accountId?: string): Promise<readonly KeyStatementRecord[]> {
  const rows = await statementRows(session)
    .$if(accountId !== undefined, (query) => query.where("key_statements.account_id", "=", accountId!))
    .execute();
  return rows.map(toKeyStatement);
}

/** Index in the log of a statement that is logged already. */
export async function leafOfStatement(session: Session, digest: string): Promise<number | undefined> {
  const row = await session
    .selectFrom("key_statements")
    .select("leaf")
    .where("statement", "=", digest)
    .executeTakeFirst();
  return row?.leaf;
}

export async function insertStatement(session: Session, record: KeyStatementRecord): Promise<void> {
  await session
    .insertInto("key_statements")
    .values({
      leaf: record.leaf,
      account_id: record.accountId,
      kind: record.kind,
      fingerprint: record.key,
      previous: record.previous ?? null,
      from_index: record.fromIndex ?? null,
      effective: record.effective ?? null,
      statement: record.statement,
      bytes: Buffer.from(record.bytes),
      logged: record.logged,
    })
    .execute();
}

/** The keys of an account, as a change of them finds them. */
export async function accountKeys(session: Session, accountId: string): Promise<AccountKeys> {
  const { last } = await session
    .selectFrom("log_entries")
    .select((eb) => eb.fn.max("id").as("last"))
    .executeTakeFirstOrThrow();
  const [keys, statements] = [await keysIn(session, accountId), await statementsIn(session, accountId)];
  return { keys, statements, next: ((last as number | null) ?? -1) + 1 };
}

/** Whether anybody has made a statement about a key: hardly any registry has one, and this is asked at every publication. */
export async function isAnyStated(session: Session): Promise<boolean> {
  return (await ANY_STATEMENT.first(session, {})) !== undefined;
}

/** Statements about keys of those who published or signed these versions. */
export async function statementsAbout(
  session: Session,
  versions: readonly VersionRecord[],
  engine: Pick<SqlEngine, "texts">,
): Promise<readonly KeyStatementRecord[]> {
  const { publishers, keys } = signersOf(versions);
  const accounts = session.selectFrom("accounts").select("id").where("username", "in", engine.texts(publishers));
  const signers = session.selectFrom("keys").select("account_id as id").where("fingerprint", "in", engine.texts(keys));
  const rows = await statementRows(session).where("key_statements.account_id", "in", accounts.union(signers)).execute();
  return rows.map(toKeyStatement);
}

/** Packages with a version that an account published, or that a key of it signed. */
export async function packagesOfKeys(
  session: Session,
  { accountId, account }: Pick<KeyStatementRecord, "accountId" | "account">,
): Promise<readonly PackageOfKeys[]> {
  const keys = await keysIn(session, accountId);
  const published = session.selectFrom("versions").select("package_id").where("publisher", "=", account);
  const signed = session
    .selectFrom("artifacts")
    .innerJoin("versions", "versions.id", "artifacts.version_id")
    .select("versions.package_id")
    .where((eb) => eb.or(keys.map(({ fingerprint }) => eb("artifacts.signers", "like", `%"${fingerprint}"%`))));
  return session
    .selectFrom("packages")
    .select(["id", "canonical"])
    .where("id", "in", keys.length === 0 ? published : published.union(signed))
    .orderBy("canonical")
    .execute();
}
