import type { RegistryStore } from "../store.ts";

/** One rule of the contract of a {@link RegistryStore}. */
export interface StoreContractCase {
  readonly name: string;
  /** @param open opens the same place anew, as another process would. */
  readonly run: (open: () => RegistryStore) => Promise<void>;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const POINTER = "metadata/timestamp.json";

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

async function textAt(open: () => RegistryStore, path: string): Promise<string | undefined> {
  const session = await open().open();
  try {
    const bytes = await session.read(path);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  } finally {
    await session.close();
  }
}

/** Puts files and commits, answering as the session did. */
async function write(
  open: () => RegistryStore,
  files: Readonly<Record<string, string>>,
  pointer: string,
): Promise<"committed" | "conflict"> {
  const session = await open().open();
  try {
    await session.read(POINTER);
    await session.put(Object.entries(files).map(([path, text]) => ({ path, content: encode(text) })));
    return await session.commit({ path: POINTER, content: encode(pointer) }, "Change");
  } finally {
    await session.close();
  }
}

/** What every {@link RegistryStore} must do. Each case is given a place of its own. */
export const storeContract: readonly StoreContractCase[] = [
  {
    name: "has nothing at first, and says so without an error",
    run: async (open) => {
      const session = await open().open();
      check((await session.read("index/_/to/tool.json")) === undefined, "there is a file");
      check(!(await session.has("log/tile/0/000.p/1")), "there is a file");
      await session.close();
    },
  },
  {
    name: "keeps what was committed, byte for byte, under paths of every form",
    run: async (open) => {
      const files = {
        ".well-known/lading.json": "{}\r\n",
        "index/_/to/tool.json": "tool",
        "index/@company/ge/gear.json": "gear\n",
        "log/tile/entries/x001/234.p/17": "\u0000\u0001",
        [`blobs/sha256/${"0".repeat(64)}.sig`]: "",
      };
      check((await write(open, files, "1")) === "committed", "it was not committed");
      for (const [path, text] of Object.entries({ ...files, [POINTER]: "1" }))
        check((await textAt(open, path)) === text, `"${path}" is another`);
    },
  },
  {
    name: "replaces what is there, and takes the same again",
    run: async (open) => {
      await write(open, { "index/_/to/tool.json": "1", "log/checkpoint": "a" }, "1");
      await write(open, { "index/_/to/tool.json": "2", "log/checkpoint": "a" }, "2");
      check((await textAt(open, "index/_/to/tool.json")) === "2", "the old file is there");
      check((await textAt(open, POINTER)) === "2", "the old pointer is there");
    },
  },
  {
    name: "lets of several writers at once each go on only from what the one before has written",
    run: async (open) => {
      await write(open, {}, "0");
      const add = async (): Promise<void> => {
        for (let tries = 0; tries < 20; tries++) {
          const session = await open().open();
          try {
            const before = new TextDecoder().decode(await session.read(POINTER));
            const next = String(Number(before) + 1);
            await session.put([{ path: `metadata/${next}.snapshot.json`, content: encode(next) }]);
            const outcome = await session.commit({ path: POINTER, content: encode(next) }, "Add");
            if (outcome === "committed") return;
          } finally {
            await session.close();
          }
        }
        throw new Error("it never went through");
      };
      await Promise.all([add(), add(), add()]);
      check((await textAt(open, POINTER)) === "3", `the pointer is at ${await textAt(open, POINTER)}`);
    },
  },
  {
    name: "keeps nothing of a session that was closed without a commit but what nobody reads",
    run: async (open) => {
      await write(open, {}, "1");
      const session = await open().open();
      await session.read(POINTER);
      await session.put([{ path: "metadata/2.snapshot.json", content: encode("left behind") }]);
      await session.close();
      check((await textAt(open, POINTER)) === "1", "the pointer moved");
      await write(open, { "metadata/2.snapshot.json": "mine" }, "2");
      check((await textAt(open, "metadata/2.snapshot.json")) === "mine", "what was left behind is still there");
    },
  },
  {
    name: "lists what begins so, with its bytes, and nothing else",
    run: async (open) => {
      const files = {
        "metadata/2.snapshot.json": "12345",
        "index/_/to/tool.json": "tool",
        "index/@a_b/c_/c_d.json": "",
        [`submissions/${"0".repeat(64)}/package`]: "123",
      };
      await write(open, files, "1");
      const session = await open().open();
      const shown = async (prefix: string): Promise<string> =>
        (await session.list(prefix))
          .map(({ path, size }) => `${path} ${size}`)
          .sort()
          .join(", ");
      check((await shown("metadata/")) === "metadata/2.snapshot.json 5, metadata/timestamp.json 1", await shown(""));
      check((await shown("index/@")) === "index/@a_b/c_/c_d.json 0", await shown("index/@"));
      check((await shown("submissions/")) === `submissions/${"0".repeat(64)}/package 3`, await shown("submissions/"));
      check((await shown("nothing/")) === "", "there is something");
      await session.close();
    },
  },
  {
    name: "removes what it is told to and no more, and takes it twice",
    run: async (open) => {
      await write(open, { "metadata/1.snapshot.json": "1", "metadata/2.snapshot.json": "2" }, "1");
      for (const _ of [1, 2]) {
        const session = await open().open();
        await session.read(POINTER);
        check((await session.remove(["metadata/1.snapshot.json"], "Prune")) === "committed", "it was not done");
        await session.close();
      }
      check((await textAt(open, "metadata/1.snapshot.json")) === undefined, "it is there");
      check((await textAt(open, "metadata/2.snapshot.json")) === "2", "another one is gone");
      check((await textAt(open, POINTER)) === "1", "the pointer is gone");
      await write(open, { "metadata/1.snapshot.json": "again" }, "2");
      check((await textAt(open, "metadata/1.snapshot.json")) === "again", "it cannot be put again");
    },
  },
];
