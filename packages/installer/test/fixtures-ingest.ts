// Run as a process of its own by the store's tests: stores every package named on the command line.
import { openStore } from "@lading/installer";

const [directory, ...files] = process.argv.slice(2);
const store = openStore(directory!);
await Promise.all(files.map((file) => store.ingest(file, {})));
store.close();
