import { decodeLogEvent } from "@lading/signing/log";
import type { ConfigurationChange, SharedConfiguration } from "../configurations/configuration-store.ts";
import type { MetadataStore } from "../ports.ts";
import { same } from "./contract.ts";
import { fakeAccount, fakeAudit, fakeDigest } from "./fixtures.ts";

const ACME = { id: "acme-id", name: "acme", created: 1 };
const AT = fakeAudit().at;

async function withOrganisation(store: MetadataStore): Promise<void> {
  const owner = fakeAccount("ada");
  await store.createAccount(owner, fakeAudit());
  await store.organisations.createOrganisation(ACME, owner, fakeAudit());
}

function change(name: string, content: number | undefined, isPublic = false): ConfigurationChange {
  const text = `# ${content ?? ""}\n`;
  const said = content === undefined ? {} : { content: { text, digest: fakeDigest(content), isPublic } };
  const audit = fakeAudit({ actor: "ada", action: "configuration.set", details: { organisation: "acme" } });
  return { organisation: ACME, name, ...said, audit, check: () => {} };
}

function brief(one: SharedConfiguration | undefined): unknown {
  return one === undefined ? undefined : [one.name, one.revision, one.digest, one.isPublic];
}

/** Checks what `ConfigurationStore` promises, on the stores of a metadata store. */
export function configurationStoreContract(
  it: (name: string, body: (store: MetadataStore) => Promise<void>) => void,
): void {
  it("numbers revisions, keeps former ones, and states each in the log", async (store) => {
    await withOrganisation(store);
    const first = await store.configurations.change(change("default", 1));
    same(brief(first), ["default", 1, fakeDigest(1), false], "first");
    same([first?.author, first?.created, first?.text], ["ada", AT, "# 1\n"], "facts");
    same(
      brief(await store.configurations.change(change("default", 2, true))),
      ["default", 2, fakeDigest(2), true],
      "2",
    );
    same(
      brief(await store.configurations.configuration(ACME.id, "default")),
      ["default", 2, fakeDigest(2), true],
      "now",
    );
    same(brief(await store.configurations.configuration(ACME.id, "default", 1)), brief(first), "former");
    same(await store.configurations.configuration(ACME.id, "default", 3), undefined, "none yet");
    same(await store.configurations.configuration("other", "default"), undefined, "of another");
    const entries = await store.logEntries(0, 10);
    same(entries.length, 2, "entries");
    const { type, ...said } = { ...(decodeLogEvent(entries[first!.leaf]!) as object) } as Record<string, unknown>;
    same(type, "configuration", "type");
    same(
      [said["organisation"], said["configuration"], said["revision"], said["digest"]],
      ["acme", "default", 1, fakeDigest(1)],
      "said",
    );
    const { items } = await store.audits({ page: 1, perPage: 10, action: "configuration.set" });
    same(
      items.map(({ details }) => details),
      [
        { organisation: "acme", revision: 2 },
        { organisation: "acme", revision: 1 },
      ],
      "audit",
    );
  });
  it("leaves no trace of what changes nothing, or is refused", async (store) => {
    await withOrganisation(store);
    await store.configurations.change(change("default", 1));
    same(brief(await store.configurations.change(change("default", 1))), ["default", 1, fakeDigest(1), false], "same");
    const refuse = (): never => {
      throw new Error("refused");
    };
    same(
      await store.configurations.change({ ...change("default", 2), check: refuse }).catch(() => "thrown"),
      "thrown",
      "check",
    );
    same(await store.configurations.change(change("none", undefined)), undefined, "removal of nothing");
    same((await store.logEntries(0, 10)).length, 1, "entries");
  });
  it("shows a change the configuration as it is", async (store) => {
    await withOrganisation(store);
    const seen: (number | undefined)[] = [];
    const check = (current: SharedConfiguration | undefined): void => void seen.push(current?.revision);
    await store.configurations.change({ ...change("default", 1), check });
    await store.configurations.change({ ...change("default", 2), check });
    same(seen, [undefined, 1], "seen");
  });
  it("removes one, goes on numbering, and lists those that are there", async (store) => {
    await withOrganisation(store);
    await store.configurations.change(change("b", 1));
    await store.configurations.change(change("a", 2));
    same(
      (await store.configurations.configurations(ACME.id)).map(({ name }) => name),
      ["a", "b"],
      "listed",
    );
    same(brief(await store.configurations.change(change("b", undefined))), ["b", 1, fakeDigest(1), false], "was");
    same(await store.configurations.configuration(ACME.id, "b"), undefined, "gone");
    same(await store.configurations.configuration(ACME.id, "b", 1), undefined, "with its history");
    same(
      (await store.configurations.configurations(ACME.id)).map(({ name }) => name),
      ["a"],
      "listed without",
    );
    same((await store.configurations.change(change("b", 3)))?.revision, 3, "goes on");
    same(await store.organisations.removeOrganisation(ACME.id, fakeAudit()), "removed", "with its organisation");
    same(await store.configurations.configurations("other"), [], "none elsewhere");
  });
}
