import type { CredentialStore } from "../ports.ts";
import type { ContractCase } from "./metadata-cache-contract.ts";

const URL_A = "https://host.example.org/a/";

async function expectCredential(store: CredentialStore, url: string, expected: unknown): Promise<void> {
  const found = JSON.stringify(await store.get(url));
  if (found !== JSON.stringify(expected))
    throw new Error(`get("${url}") is ${found ?? "nothing"}, expected ${JSON.stringify(expected) ?? "nothing"}`);
}

/** What every {@link CredentialStore} that can be written must do. Each case wants a store of its own, empty. */
export const credentialStoreContract: readonly ContractCase<CredentialStore>[] = [
  {
    name: "get() of an unknown registry is undefined, and list() is empty",
    run: async (store) => {
      await expectCredential(store, URL_A, undefined);
      if ((await store.list()).length > 0) throw new Error("list() is not empty");
    },
  },
  {
    name: "tokens and passwords come back as they were set, whatever their characters",
    run: async (store) => {
      const token = { type: "token", token: "ldg_\"'\\#=\u00e9\n" } as const;
      const basic = { type: "basic", username: "us:er", password: "p\t\"a'ss" } as const;
      await store.set(URL_A, token);
      await store.set("https://host.example.org/b/", basic);
      await expectCredential(store, URL_A, token);
      await expectCredential(store, "https://host.example.org/b/", basic);
    },
  },
  {
    name: "a credential is given for exactly its URL: not for a path above or below, another port, scheme or host",
    run: async (store) => {
      await store.set(URL_A, { type: "token", token: "t" });
      for (const url of [
        "https://host.example.org/",
        "https://host.example.org/a/b/",
        "https://host.example.org/A/",
        "https://host.example.org:8443/a/",
        "http://host.example.org/a/",
        "https://host.example.org.evil.example/a/",
      ]) {
        await expectCredential(store, url, undefined);
      }
    },
  },
  {
    name: "set() replaces, under the canonical spelling of the URL",
    run: async (store) => {
      await store.set(URL_A, { type: "token", token: "old" });
      await store.set("HTTPS://HOST.example.org:443/a", { type: "token", token: "new" });
      await expectCredential(store, URL_A, { type: "token", token: "new" });
    },
  },
  {
    name: "delete() says whether there was one",
    run: async (store) => {
      await store.set(URL_A, { type: "token", token: "t" });
      if (!(await store.delete(URL_A))) throw new Error("delete() of a stored credential is false");
      if (await store.delete(URL_A)) throw new Error("delete() of an absent credential is true");
      await expectCredential(store, URL_A, undefined);
    },
  },
  {
    name: "list() is sorted, and concurrent set() lose nothing",
    run: async (store) => {
      const urls = Array.from({ length: 8 }, (_, index) => `https://host-${7 - index}.example.org/`);
      await Promise.all(urls.map((url) => store.set(url, { type: "token", token: url })));
      const found = await store.list();
      if (JSON.stringify(found) !== JSON.stringify(urls.toSorted()))
        throw new Error(`list() is ${JSON.stringify(found)}`);
    },
  },
];
