import { canonicalName, parsePackageName } from "@lading/core-manifest";
import type { MetadataStore } from "../ports.ts";
import { WEBHOOKS_MAX, type NewWebhook, type Webhook, type WebhookSubject } from "../webhooks/webhook-store.ts";
import { same } from "./contract.ts";
import { fakeAccount, fakeAudit } from "./fixtures.ts";

const ADA = fakeAccount("ada");
const TOOL: WebhookSubject = { kind: "package", name: canonicalName(parsePackageName("company/tool")) };
const ACME: WebhookSubject = { kind: "organisation", id: "acme-id" };
const REGISTRY: WebhookSubject = { kind: "registry" };

function made(id: string, subject: WebhookSubject = TOOL, created = 10): NewWebhook {
  const said = { url: `https://${id}.test/`, events: ["package.*"], secrets: { current: "sealed" } };
  return { id, subject, ...said, account: ADA, created, since: created };
}

const audit = (action: string) => fakeAudit({ action });
const ids = (webhooks: readonly Webhook[]): readonly string[] => webhooks.map(({ id }) => id);

/** Checks what `WebhookStore` promises, on the stores of a metadata store. */
export function webhookStoreContract(it: (name: string, body: (store: MetadataStore) => Promise<void>) => void): void {
  it("keeps webhooks by their subject, oldest first", async (store) => {
    await store.createAccount(ADA, fakeAudit());
    for (const one of [made("b", TOOL, 20), made("a", TOOL, 30), made("c", ACME), made("d", REGISTRY)])
      same(await store.webhooks.create(one, audit("webhook.create")), "created", one.id);
    same(ids(await store.webhooks.webhooksOf(TOOL)), ["b", "a"], "package");
    same(ids(await store.webhooks.webhooksOf(ACME)), ["c"], "organisation");
    same(ids(await store.webhooks.webhooksOf(REGISTRY)), ["d"], "registry");
    same(ids(await store.webhooks.enabled()), ["a", "b", "c", "d"], "all");
    const { account: _, ...said } = made("c", ACME);
    same(await store.webhooks.webhook("c"), { ...said, creator: "ada", accountId: ADA.id }, "whole");
    same(await store.webhooks.webhook("none"), undefined, "unknown");
    same((await store.audits({ page: 1, perPage: 9, action: "webhook.create" })).total, 4, "audit");
  });
  it("lets a subject have so many", async (store) => {
    await store.createAccount(ADA, fakeAudit());
    for (let at = 0; at < WEBHOOKS_MAX; at += 1) await store.webhooks.create(made(`w${at}`), audit("webhook.create"));
    same(await store.webhooks.create(made("more"), audit("webhook.create")), "full", "one more");
    same(await store.webhooks.create(made("other", ACME), audit("webhook.create")), "created", "of another subject");
    same((await store.audits({ page: 1, perPage: 1, action: "webhook.create" })).total, WEBHOOKS_MAX + 1, "audit");
  });
  it("changes what is given alone, and disables and enables", async (store) => {
    await store.createAccount(ADA, fakeAudit());
    await store.webhooks.create(made("a"), audit("webhook.create"));
    const secrets = { current: "new", former: { secret: "sealed", until: 99 } };
    const changed = await store.webhooks.change("a", { secrets }, audit("webhook.rotate"));
    same([changed?.secrets, changed?.url, changed?.events], [secrets, "https://a.test/", ["package.*"]], "secrets");
    await store.webhooks.change("a", { url: "https://other.test/", events: ["*"] }, audit("webhook.update"));
    await store.webhooks.noteFailing("a", 40);
    same((await store.webhooks.webhook("a"))?.failingSince, 40, "failing");
    const disabled = { reason: "it answers nothing", at: 50 };
    const off = await store.webhooks.change("a", { disabled }, audit("webhook.disable"));
    same([off?.disabled, off?.url, off?.failingSince], [disabled, "https://other.test/", undefined], "disabled");
    same(await store.webhooks.enabled(), [], "none is told");
    const on = await store.webhooks.change("a", { disabled: null, since: 60 }, audit("webhook.update"));
    same([on?.disabled, on?.since, on?.created], [undefined, 60, 10], "enabled");
    await store.webhooks.noteFailing("a", 70);
    await store.webhooks.noteFailing("a", undefined);
    same((await store.webhooks.webhook("a"))?.failingSince, undefined, "it works again");
    same(await store.webhooks.change("none", {}, audit("webhook.other")), undefined, "unknown");
    same((await store.audits({ page: 1, perPage: 1, action: "webhook.other" })).total, 0, "no trace");
  });
  it("removes one with its deliveries", async (store) => {
    await store.createAccount(ADA, fakeAudit());
    await store.webhooks.create(made("a"), audit("webhook.create"));
    const delivery = { channel: "webhook", event: "webhook.test", payload: "{}", created: 1 };
    await store.deliveries.add({ ...delivery, id: "1", target: "a" });
    await store.deliveries.add({ ...delivery, id: "2", target: "b" });
    same(await store.webhooks.remove("a", audit("webhook.remove")), true, "removed");
    same(await store.webhooks.remove("a", audit("webhook.remove")), false, "gone");
    same([await store.webhooks.webhook("a"), await store.deliveries.delivery("1")], [undefined, undefined], "both");
    same((await store.deliveries.delivery("2"))?.id, "2", "that of another");
    same((await store.audits({ page: 1, perPage: 1, action: "webhook.remove" })).total, 1, "audit");
  });
  it("removes those of an organisation that is removed, with their deliveries", async (store) => {
    await store.createAccount(ADA, fakeAudit());
    await store.organisations.createOrganisation({ id: "acme-id", name: "acme", created: 1 }, ADA, fakeAudit());
    for (const one of [made("a", ACME), made("b", ACME), made("tool"), made("all", REGISTRY)])
      await store.webhooks.create(one, audit("webhook.create"));
    const delivery = { channel: "webhook", event: "webhook.test", payload: "{}", created: 1 };
    for (const target of ["a", "b", "tool"]) await store.deliveries.add({ ...delivery, id: `to-${target}`, target });
    same(await store.organisations.removeOrganisation("acme-id", audit("organisation.remove")), "removed", "removed");
    same(ids(await store.webhooks.enabled()), ["all", "tool"], "those of others");
    same([await store.webhooks.webhook("a"), await store.deliveries.delivery("to-a")], [undefined, undefined], "both");
    same((await store.deliveries.delivery("to-tool"))?.id, "to-tool", "that of another");
  });
}
