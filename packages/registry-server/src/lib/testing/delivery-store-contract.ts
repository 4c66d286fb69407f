import { ATTEMPTS_KEPT, type Delivery, type NewDelivery } from "../deliveries/delivery-store.ts";
import type { MetadataStore } from "../ports.ts";
import { same } from "./contract.ts";

function made(id: string, created = 10, target = "hook"): NewDelivery {
  return { id, channel: "webhook", target, event: "package.published", payload: `{"id":"${id}"}`, created };
}

const ids = (deliveries: readonly Delivery[]): readonly string[] => deliveries.map(({ id }) => id);
const PAGE = { channel: "webhook", target: "hook", page: 1, perPage: 10 };
const CHANNELS = ["webhook"];
const attempt = (at: number) => ({ at, durationMs: 5, status: 500, error: "no", answer: "oops" });

/** Checks what `DeliveryStore` promises, on the stores of a metadata store. */
export function deliveryStoreContract(it: (name: string, body: (store: MetadataStore) => Promise<void>) => void): void {
  it("moves the position with what was derived, for one of those who try", async ({ deliveries: store }) => {
    same(await store.position(), 0, "at first");
    same(await store.advance({ from: 0, to: 7, deliveries: [made("a"), made("b")] }), true, "first");
    same(await store.advance({ from: 0, to: 9, deliveries: [made("c")] }), false, "from where it is not");
    same([await store.position(), await store.delivery("c")], [7, undefined], "nothing of it");
    const both = await Promise.all([8, 9].map((to) => store.advance({ from: 7, to, deliveries: [made(`to-${to}`)] })));
    same(both.filter(Boolean).length, 1, "one of two");
    same((await store.deliveries(PAGE)).total, 3, "its deliveries alone");
  });
  it("adds a delivery once", async ({ deliveries: store }) => {
    await store.add(made("a"));
    await store.claim({ now: 10, until: 100, limit: 10, channels: CHANNELS });
    await store.settle("a", { attempt: attempt(11), state: "delivered" });
    await store.add(made("a"));
    await store.advance({ from: 0, to: 1, deliveries: [made("a")] });
    same((await store.delivery("a"))?.state, "delivered", "as it was");
  });
  it("gives what is due to one claimant, the oldest first, and again when the claim is over", async ({
    deliveries: store,
  }) => {
    for (const one of [made("late", 30), made("b", 20), made("a", 10), made("future", 1000)]) await store.add(one);
    same(ids(await store.claim({ now: 50, until: 100, limit: 2, channels: CHANNELS })), ["a", "b"], "oldest");
    same(ids(await store.claim({ now: 50, until: 100, limit: 5, channels: CHANNELS })), ["late"], "the rest");
    same(ids(await store.claim({ now: 99, until: 200, limit: 5, channels: CHANNELS })), [], "claimed");
    same(
      ids(await store.claim({ now: 100, until: 200, limit: 5, channels: CHANNELS })),
      ["a", "b", "late"],
      "the claimant died",
    );
    const claims = await Promise.all(
      [1, 2, 3].map(() => store.claim({ now: 200, until: 300, limit: 5, channels: CHANNELS })),
    );
    same(claims.flatMap(ids).sort(), ["a", "b", "late"], "each once");
  });
  it("gives what is due of the channels that the claimant has, and not before its time", async ({
    deliveries: store,
  }) => {
    await store.add({ ...made("purge"), channel: "cdn-purge" });
    await store.add({ ...made("later"), due: 60 });
    await store.advance({ from: 0, to: 1, deliveries: [{ ...made("derived"), due: 70 }] });
    same(ids(await store.claim({ now: 59, until: 100, limit: 5, channels: CHANNELS })), [], "nothing for it yet");
    same(ids(await store.claim({ now: 70, until: 100, limit: 5, channels: CHANNELS })), ["later", "derived"], "due");
    const both = ["cdn-purge", "webhook"];
    same(ids(await store.claim({ now: 70, until: 100, limit: 5, channels: both })), ["purge"], "by who has both");
  });
  it("gives those of the oldest that the claimant accepts, and none of targets that it leaves out", async ({
    deliveries: store,
  }) => {
    for (const one of [made("a1", 10, "a"), made("a2", 20, "a"), made("a3", 30, "a"), made("b1", 40, "b")])
      await store.add(one);
    const asked: string[] = [];
    const one = (delivery: Delivery): boolean => asked.push(delivery.id) === 1;
    const request = { now: 50, until: 100, limit: 3, channels: CHANNELS };
    same(ids(await store.claim({ ...request, accept: one })), ["a1"], "accepted");
    same(asked, ["a1", "a2", "a3"], "asked, the oldest first");
    same(ids(await store.claim({ ...request, except: ["a"] })), ["b1"], "of other targets");
    same(ids(await store.claim(request)), ["a2", "a3"], "what nobody took");
  });
  it("gives nothing where none of the oldest is wanted, without asking what is accepted", async ({
    deliveries: store,
  }) => {
    for (const one of [made("a1", 10, "a"), made("a2", 20, "a"), made("b1", 30, "b")]) await store.add(one);
    const asked: string[] = [];
    const accept = ({ id }: Delivery): boolean => asked.push(id) > 0;
    const request = { now: 50, until: 100, limit: 2, channels: CHANNELS, accept };
    const wanted = ({ target }: Delivery): boolean => target === "b";
    same(ids(await store.claim({ ...request, wanted })), [], "not wanted");
    same(asked, [], "asked");
    same(ids(await store.claim({ ...request, limit: 3, wanted })), ["a1", "a2", "b1"], "one is wanted");
    same(asked, ["a1", "a2", "b1"], "asked, once each");
  });
  it("notes tries, keeps the last ones, and tries again when it is told to", async ({ deliveries: store }) => {
    await store.add(made("a"));
    for (let at = 0; at < ATTEMPTS_KEPT + 3; at += 1)
      await store.settle("a", { attempt: attempt(at), state: "waiting", due: 500 + at });
    const waiting = await store.delivery("a");
    same(
      [waiting?.state, waiting?.due, waiting?.tries],
      ["waiting", 500 + ATTEMPTS_KEPT + 2, ATTEMPTS_KEPT + 3],
      "waits",
    );
    same(waiting?.attempts.length, ATTEMPTS_KEPT, "kept");
    same(waiting?.attempts.at(-1), attempt(ATTEMPTS_KEPT + 2), "the last one");
    same(ids(await store.claim({ now: 400, until: 900, limit: 5, channels: CHANNELS })), [], "not yet");
    await store.settle("a", { attempt: attempt(99), state: "failed" });
    same(ids(await store.claim({ now: 9999, until: 9999, limit: 5, channels: CHANNELS })), [], "never");
    const again = await store.claimAgain("a", 700);
    same([again?.state, again?.due, again?.tries, again?.payload], ["waiting", 700, 0, '{"id":"a"}'], "by hand");
    same(await store.claimAgain("none", 1), undefined, "unknown");
    await store.settle("none", { attempt: attempt(1), state: "failed" });
    same(await store.delivery("none"), undefined, "still unknown");
  });
  it("lists a target's deliveries, drops them, and forgets those that ended long ago", async ({
    deliveries: store,
  }) => {
    for (const one of [made("a", 10), made("b", 20), made("c", 20), made("other", 15, "elsewhere")])
      await store.add(one);
    await store.settle("a", { attempt: attempt(1), state: "delivered" });
    await store.settle("other", { attempt: attempt(1), state: "failed" });
    same(ids((await store.deliveries(PAGE)).items), ["c", "b", "a"], "newest first");
    const second = await store.deliveries({ ...PAGE, page: 2, perPage: 2 });
    same([ids(second.items), second.total], [["a"], 3], "pages");
    same(ids((await store.deliveries({ ...PAGE, state: "waiting" })).items), ["c", "b"], "by state");
    const counts = [
      { channel: "webhook", state: "delivered", count: 1 },
      { channel: "webhook", state: "failed", count: 1 },
      { channel: "webhook", state: "waiting", count: 2 },
    ];
    same(await store.counts(), counts, "counts");
    await store.forget(15);
    same(
      [await store.delivery("a"), (await store.delivery("other"))?.id, (await store.delivery("b"))?.id],
      [undefined, "other", "b"],
      "forgotten",
    );
    same(await store.claim({ now: 50, until: 300, limit: 1, channels: CHANNELS }).then(ids), ["b"], "one is taken");
    await store.forget(100);
    same(
      [(await store.delivery("b"))?.id, await store.delivery("c")],
      ["b", undefined],
      "what nobody has taken since, too",
    );
    await store.add(made("other", 15, "elsewhere"));
    await store.settle("other", { attempt: attempt(1), state: "failed" });
    await store.drop("webhook", "hook");
    same(await store.counts(), [{ channel: "webhook", state: "failed", count: 1 }], "dropped");
  });
}
